using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Webhooks;

/// <summary>
/// Endpoints' secrets as their rows hold them: AES-256-GCM under <c>Webhooks:EncryptionKey</c>, bound to the tenant and the endpoint, so that one
/// copied to another row opens nothing. Without that setting they stand there as they are.
/// </summary>
public sealed class EndpointSecrets(IOptions<WebhookOptions> options)
{
    private const string Encrypted = "aes256gcm:";
    private const int NonceBytes = 12;
    private const int TagBytes = 16;

    public static string New() => WebhookSignature.Prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    internal string Protect(string secret, string tenant, string endpointId)
    {
        if (options.Value.EncryptionKeys is not [var key, ..])
        {
            return secret;
        }

        var plain = Encoding.UTF8.GetBytes(secret);
        var box = new byte[NonceBytes + TagBytes + plain.Length];
        var nonce = box.AsSpan(0, NonceBytes);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(key, TagBytes);
        aes.Encrypt(nonce, plain, box.AsSpan(NonceBytes + TagBytes), box.AsSpan(NonceBytes, TagBytes), BoundTo(tenant, endpointId));
        return Encrypted + Convert.ToBase64String(box);
    }

    internal string Reveal(string kept, string tenant, string endpointId)
    {
        if (!kept.StartsWith(Encrypted, StringComparison.Ordinal))
        {
            return kept;
        }

        var box = Convert.FromBase64String(kept[Encrypted.Length..]);
        foreach (var key in options.Value.EncryptionKeys)
        {
            var plain = new byte[box.Length - NonceBytes - TagBytes];
            using var aes = new AesGcm(key, TagBytes);
            try
            {
                aes.Decrypt(box.AsSpan(0, NonceBytes), box.AsSpan(NonceBytes + TagBytes), box.AsSpan(NonceBytes, TagBytes), plain, BoundTo(tenant, endpointId));
                return Encoding.UTF8.GetString(plain);
            }
            catch (AuthenticationTagMismatchException)
            {
                // Of another key of a rotation.
            }
        }

        throw new InvalidOperationException($"the secret of endpoint {endpointId} opens with no key of Webhooks:EncryptionKey; add the key it was encrypted with, or rotate the secret");
    }

    /// <summary>What signs now: the secret, and the one before until its time is over.</summary>
    internal IReadOnlyList<byte[]> KeysOf(WebhookEndpoint endpoint, DateTimeOffset now)
    {
        string?[] kept = [endpoint.Secret, endpoint.PreviousUntil > now ? endpoint.PreviousSecret : null];
        return [.. kept.OfType<string>().Select(secret => WebhookSignature.ReadSecret(Reveal(secret, endpoint.Tenant, endpoint.Id))!)];
    }

    private static byte[] BoundTo(string tenant, string endpointId) => Encoding.UTF8.GetBytes($"{tenant}/{endpointId}");
}
