using System.Security.Cryptography;

namespace Batch.Jobs.ModelFiles;

/// <summary>
/// The file SHA256SUMS beside a model, as <c>sha256sum * > SHA256SUMS</c> writes it: where it is there, every file that it names must have its hash. Azure Storage
/// keeps no hash of what was uploaded in blocks.
/// </summary>
internal static class Checksums
{
    public const string FileName = "SHA256SUMS";

    private const int HashLength = 64;

    public static async Task VerifyAsync(string folder, IEnumerable<string> files, CancellationToken cancellationToken)
    {
        var here = files.ToHashSet(StringComparer.Ordinal);
        var sums = Path.Combine(folder, FileName);
        var verified = $"{sums}.verified";
        if (!here.Contains(FileName) || File.Exists(verified) && File.GetLastWriteTimeUtc(verified) >= here.Max(name => File.GetLastWriteTimeUtc(Path.Combine(folder, name))))
        {
            return;
        }

        foreach (var line in await File.ReadAllLinesAsync(sums, cancellationToken))
        {
            var (wanted, name) = (line.Split(' ')[0], line.Length > HashLength + 2 ? line[(HashLength + 2)..] : "");
            if (!here.Contains(name))
            {
                continue; // of a file that is not fetched
            }

            await using var content = File.OpenRead(Path.Combine(folder, name));
            var seen = Convert.ToHexStringLower(await SHA256.HashDataAsync(content, cancellationToken));
            if (!seen.Equals(wanted, StringComparison.OrdinalIgnoreCase))
            {
                content.Close();
                File.Delete(Path.Combine(folder, name));
                throw new InvalidDataException($"{Path.Combine(folder, name)} has SHA-256 {seen}, {FileName} says {wanted}; it is fetched anew at the next try");
            }
        }

        await File.WriteAllTextAsync(verified, "", cancellationToken);
    }
}
