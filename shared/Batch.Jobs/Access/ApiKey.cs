using System.Runtime.Serialization;
using System.Security.Cryptography;
using System.Text;
using Azure;
using Azure.Data.Tables;

namespace Batch.Jobs.Access;

/// <summary>
/// One API key's row in table <c>apikeys</c>. It holds the SHA-256 of the key, which is random of 256 bits, so that no reader of the table
/// can use it; the key itself is shown once, by who makes it.
/// </summary>
public sealed record ApiKey : ITableEntity
{
    public const string Partition = "key";
    private const string Prefix = "sk-";

    public string PartitionKey { get; set; } = Partition;

    /// <summary>The key's SHA-256, in hex.</summary>
    public string RowKey { get; set; } = "";
    public DateTimeOffset? Timestamp { get; set; }
    public ETag ETag { get; set; }

    public string Id { get; set; } = "";
    public string Tenant { get; set; } = Caller.DefaultTenant;
    public string? Name { get; set; }
    public int Scopes { get; set; }

    /// <summary>The last four characters, by which its owner tells it from others.</summary>
    public string Ending { get; set; } = "";
    public DateTimeOffset CreatedAt { get; set; }
    public DateTimeOffset? ExpiresAt { get; set; }
    public DateTimeOffset? RevokedAt { get; set; }

    [IgnoreDataMember]
    public ApiScopes Allowed => (ApiScopes)Scopes;

    /// <summary>A new key, URL-safe: <c>sk-</c> and 43 characters.</summary>
    public static string NewSecret() =>
        Prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)).TrimEnd('=').Replace('+', '-').Replace('/', '_');

    public static ApiKey Of(string secret, string tenant, ApiScopes scopes, string? name, DateTimeOffset now, DateTimeOffset? expiresAt)
    {
        var hash = Convert.ToHexStringLower(HashOf(secret));
        return new ApiKey
        {
            RowKey = hash,
            Id = $"key_{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(hash)))[..16]}",
            Tenant = tenant,
            Name = name,
            Scopes = (int)scopes,
            Ending = secret[^4..],
            CreatedAt = now,
            ExpiresAt = expiresAt,
        };
    }

    /// <summary>Whether <paramref name="secret"/> is this key, compared in a time that does not depend on where it differs.</summary>
    public bool Is(string secret) => CryptographicOperations.FixedTimeEquals(HashOf(secret), Convert.FromHexString(RowKey));

    public bool IsValid(DateTimeOffset now) => RevokedAt is null && !(ExpiresAt <= now);

    internal static byte[] HashOf(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));
}
