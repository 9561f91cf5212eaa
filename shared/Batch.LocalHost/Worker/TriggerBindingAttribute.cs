namespace Microsoft.Azure.Functions.Worker.Extensions.Abstractions;

/// <summary>Marks the one parameter of a function that says what starts it.</summary>
public abstract class TriggerBindingAttribute : Attribute;
