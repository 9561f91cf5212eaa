using System.ComponentModel.DataAnnotations;
using System.Net;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Webhooks;

/// <summary>Section <c>Webhooks</c>.</summary>
public sealed class WebhookOptions : IValidatableObject
{
    private const int KeyBytes = 32;

    /// <summary>
    /// Signs the webhooks that jobs and batches name themselves: <c>whsec_</c> and base64 of 24 to 64 bytes; during a rotation the old and the
    /// new one, separated by a space. Without it none may be named. Endpoints have secrets of their own.
    /// </summary>
    public string? Secret { get; set; }

    /// <summary>
    /// Encrypts the secrets of endpoints in their table: base64 of 32 bytes; during a rotation the new one, then the old, separated by a space.
    /// Without it they lie there as they are, behind the storage account's own encryption and roles.
    /// </summary>
    public string? EncryptionKey { get; set; }

    /// <summary>Allows http besides https: for one machine, not for the internet.</summary>
    public bool AllowHttp { get; set; }

    /// <summary>Allows loopback, private and link-local addresses: for one machine or a network whose callers are all trusted.</summary>
    public bool AllowPrivateAddresses { get; set; }

    /// <summary>An endpoint of which every attempt failed for so many days is disabled. No less than the ladder of retries takes.</summary>
    [Range(4, 365)]
    public int DisableAfterDays { get; set; } = 5;

    /// <summary>Attempts that a replica makes at one receiver, a host with its port, at once; other receivers do not wait for them.</summary>
    [Range(1, 256)]
    public int AttemptsAtOnce { get; set; } = 8;

    /// <summary>How long a delivery stays in the log.</summary>
    [Range(4, 365)]
    public int RetentionDays { get; set; } = 30;

    internal IReadOnlyList<byte[]> Keys => [.. Secrets.Select(secret => WebhookSignature.ReadSecret(secret)!)];

    internal IReadOnlyList<byte[]> EncryptionKeys => [.. ReadEncryptionKeys().OfType<byte[]>()];

    private string[] Secrets => (Secret ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Secrets.Any(secret => WebhookSignature.ReadSecret(secret) is null))
        {
            yield return new ValidationResult(
                "Webhooks:Secret must be whsec_ followed by base64 of 24 to 64 bytes; several are separated by a space", [nameof(Secret)]);
        }

        if (ReadEncryptionKeys().Any(key => key is null))
        {
            yield return new ValidationResult(
                $"Webhooks:EncryptionKey must be base64 of {KeyBytes} bytes; several are separated by a space", [nameof(EncryptionKey)]);
        }
    }

    /// <summary>Throws <see cref="InvalidJobException"/> when no webhook could be sent to a job's or batch's own <paramref name="url"/>.</summary>
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

        RequireReachable(url, "webhook_url");
    }

    /// <summary>
    /// Refuses what could never be reached, while its owner looks. What a name stands for is looked at when it is connected to.
    /// </summary>
    internal void RequireReachable(string url, string param)
    {
        var uri = new Uri(url);
        if (!AllowHttp && uri.Scheme != Uri.UriSchemeHttps)
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, $"{param} must be an https address, was http", param);
        }

        if (IPAddress.TryParse(uri.IdnHost, out var address) && !WebhookAddressGuard.IsPublic(address) && !AllowPrivateAddresses)
        {
            throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"{param} must be at a public address, was at {JsonField.Quote(uri.Host)}", param);
        }
    }

    private IEnumerable<byte[]?> ReadEncryptionKeys() => (EncryptionKey ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text =>
    {
        var key = new byte[KeyBytes + 1];
        return Convert.TryFromBase64String(text, key, out var length) && length == KeyBytes ? key[..KeyBytes] : null;
    });
}
