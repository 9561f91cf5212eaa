using System.Reflection;
using Microsoft.Azure.Functions.Worker.Extensions.Abstractions;

namespace Batch.LocalHost.Functions;

/// <summary>A method that something triggers, checked to be one that can run.</summary>
internal sealed record Function(string Name, MethodInfo Method, ParameterInfo TriggerParameter, TriggerBindingAttribute Trigger)
{
    public InvalidOperationException Invalid(string why) =>
        new($"Function '{Name}' ({Method.DeclaringType}.{Method.Name}) cannot run: {why}");
}
