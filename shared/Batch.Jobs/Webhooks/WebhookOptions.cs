using System.ComponentModel.DataAnnotations;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Webhooks;

/// <summary>Section <c>Webhooks</c>.</summary>
public sealed class WebhookOptions : IValidatableObject
{
    /// <summary>
    /// Signs webhooks: <c>whsec_</c> and base64 of 24 to 64 bytes; during a rotation the old and the new one, separated by a space. Without
    /// it no job may ask for a webhook.
    /// </summary>
    public string? Secret { get; set; }

    /// <summary>Allows http besides https: for one machine, not for the internet.</summary>
    public bool AllowHttp { get; set; }

    /// <summary>Allows loopback, private and link-local addresses: for one machine or a network whose callers are all trusted.</summary>
    public bool AllowPrivateAddresses { get; set; }

    internal IReadOnlyList<byte[]> Keys => [.. Secrets.Select(secret => WebhookSignature.ReadSecret(secret)!)];

    private string[] Secrets => (Secret ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Secrets.Any(secret => WebhookSignature.ReadSecret(secret) is null))
        {
            yield return new ValidationResult(
                "Webhooks:Secret must be whsec_ followed by base64 of 24 to 64 bytes; several are separated by a space", [nameof(Secret)]);
        }
    }

    /// <summary>Throws <see cref="InvalidJobException"/> when webhooks could never reach <paramref name="url"/>.</summary>
    internal void Require(string? url)
    {
        if (url is null)
        {
            return;
        }

        if (Secrets.Length == 0)
        {
            throw new InvalidJobException(
                JobErrorCode.UnsupportedParameter,
                "webhook_url needs a signing secret, none is set here (Webhooks:Secret); leave webhook_url out", "webhook_url");
        }

        if (!AllowHttp && !url.StartsWith("https:", StringComparison.Ordinal))
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, "webhook_url must be an https address, was http", "webhook_url");
        }
    }
}
