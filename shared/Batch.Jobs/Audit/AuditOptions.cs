namespace Batch.Jobs.Audit;

/// <summary>Section <c>Audit</c>.</summary>
public sealed class AuditOptions
{
    /// <summary>
    /// Keeps the prompt itself, its first 30,000 characters, beside its hash and length. Off, since prompts may be personal data.
    /// </summary>
    public bool IncludePrompt { get; set; }

    /// <summary>
    /// Takes the caller's name from header X-MS-CLIENT-PRINCIPAL-NAME. Only where Azure's built-in authentication sets it: elsewhere any
    /// caller could.
    /// </summary>
    public bool TrustPrincipalHeader { get; set; }
}
