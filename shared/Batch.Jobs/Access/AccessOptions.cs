namespace Batch.Jobs.Access;

/// <summary>Section <c>Access</c>.</summary>
public sealed class AccessOptions
{
    /// <summary>
    /// Asks for an API key on every <c>/v1</c> route. Without, everybody who reaches the address is tenant <c>default</c> with every scope:
    /// for an experiment on one machine, or where another guard stands in front.
    /// </summary>
    public bool Required { get; set; } = true;

    /// <summary>
    /// Takes callers who signed in from header X-MS-CLIENT-PRINCIPAL, before any API key. Only where Azure's built-in authentication stands in
    /// front of every way to this address and sets it: elsewhere any caller could be anybody.
    /// </summary>
    public bool TrustPrincipal { get; set; }

    /// <summary>The claim of a principal that names its tenant, such as <c>tid</c>; without, all are tenant <c>default</c>.</summary>
    public string PrincipalTenantClaim { get; set; } = "";
}
