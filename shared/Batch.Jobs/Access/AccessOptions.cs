namespace Batch.Jobs.Access;

/// <summary>Section <c>Access</c>.</summary>
public sealed class AccessOptions
{
    /// <summary>
    /// Asks for an API key on every <c>/v1</c> route. Without, everybody who reaches the address is tenant <c>default</c> with every scope:
    /// for an experiment on one machine, or where another guard stands in front.
    /// </summary>
    public bool Required { get; set; } = true;
}
