using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Batch.Jobs.Storage;

/// <summary>
/// Ids that sort with the newest first, as tables list them: the milliseconds that are left of a 48-bit clock, then 80 bits, which are random or
/// follow from what the id is of.
/// </summary>
internal static class ObjectId
{
    public const string File = "file-";
    public const string Batch = "batch_";
    public const string WebhookEndpoint = "we_";
    public const string Delivery = "del_";
    public const string Rotation = "rot_";

    private const long LastMillisecond = (1L << 48) - 1;

    public static string New(string prefix, DateTimeOffset now) => Join(prefix, now, RandomNumberGenerator.GetHexString(20, lowercase: true));

    /// <summary>The same for the same name.</summary>
    public static string Of(string prefix, DateTimeOffset at, string name) => Join(prefix, at, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)))[..20]);

    private static string Join(string prefix, DateTimeOffset at, string rest) =>
        string.Create(CultureInfo.InvariantCulture, $"{prefix}{LastMillisecond - at.ToUnixTimeMilliseconds():x12}{rest}");
}
