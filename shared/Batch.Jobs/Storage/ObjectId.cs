using System.Globalization;
using System.Security.Cryptography;

namespace Batch.Jobs.Storage;

/// <summary>
/// Ids that sort with the newest first, as tables list them: the milliseconds that are left of a 48-bit clock, then 80 random bits.
/// </summary>
internal static class ObjectId
{
    public const string File = "file-";
    public const string Batch = "batch_";

    private const long LastMillisecond = (1L << 48) - 1;

    public static string New(string prefix, DateTimeOffset now) => string.Create(
        CultureInfo.InvariantCulture,
        $"{prefix}{LastMillisecond - now.ToUnixTimeMilliseconds():x12}{RandomNumberGenerator.GetHexString(20, lowercase: true)}");
}
