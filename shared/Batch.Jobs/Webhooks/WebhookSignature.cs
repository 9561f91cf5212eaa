using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Batch.Jobs.Webhooks;

/// <summary>Standard Webhooks 1.0: HMAC-SHA256 over <c>id.timestamp.body</c>, one signature per secret.</summary>
internal static class WebhookSignature
{
    public const string Prefix = "whsec_";

    /// <summary>The key of a secret; null when it is not <c>whsec_</c> and base64 of 24 to 64 bytes.</summary>
    public static byte[]? ReadSecret(string secret)
    {
        var key = new byte[64];
        return secret.StartsWith(Prefix, StringComparison.Ordinal)
            && Convert.TryFromBase64String(secret[Prefix.Length..], key, out var length)
            && length >= 24
            ? key[..length]
            : null;
    }

    /// <summary>The value of header webhook-signature.</summary>
    public static string Sign(IEnumerable<byte[]> keys, string id, DateTimeOffset timestamp, ReadOnlySpan<byte> body)
    {
        var head = string.Create(CultureInfo.InvariantCulture, $"{id}.{timestamp.ToUnixTimeSeconds()}.");
        byte[] signed = [.. Encoding.UTF8.GetBytes(head), .. body];
        return string.Join(' ', keys.Select(key => $"v1,{Convert.ToBase64String(HMACSHA256.HashData(key, signed))}"));
    }
}
