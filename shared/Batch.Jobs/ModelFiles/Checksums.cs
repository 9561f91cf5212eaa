using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Batch.Jobs.ModelFiles;

/// <summary>
/// The file SHA256SUMS beside a model, as <c>sha256sum * > SHA256SUMS</c> writes it: where it is there, every file that it names must have its hash. Azure Storage
/// keeps no hash of what was uploaded in blocks.
/// </summary>
internal static partial class Checksums
{
    public const string FileName = "SHA256SUMS";

    /// <summary>Hashes by name.</summary>
    /// <exception cref="InvalidDataException">A line is none of a hash, two characters and a name.</exception>
    public static async Task<IReadOnlyDictionary<string, string>> ReadAsync(string folder, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder, FileName);
        var sums = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (line, number) in (await File.ReadAllLinesAsync(path, cancellationToken)).Select((line, i) => (line, i + 1)).Where(of => of.line.Length > 0))
        {
            var match = Line().Match(line);
            sums[match.Groups["name"].Value] = match.Success ? match.Groups["hash"].Value
                : throw new InvalidDataException($"{path}, line {number}: '{line}' is none of 64 hexadecimal digits, two spaces and a file's name, as `sha256sum * > {FileName}` writes them");
        }

        return sums;
    }

    /// <summary>Holds files on this machine's disk to their hashes, once; one that has another is deleted.</summary>
    public static async Task VerifyAsync(string folder, IEnumerable<string> files, IReadOnlyDictionary<string, string> sums, CancellationToken cancellationToken)
    {
        var here = files.ToList();
        var verified = Path.Combine(folder, $"{FileName}.verified");
        if (File.Exists(verified) && File.GetLastWriteTimeUtc(verified) >= here.Max(name => File.GetLastWriteTimeUtc(Path.Combine(folder, name))))
        {
            return;
        }

        // Not the list itself, which `sha256sum *` hashes too where an older one is there.
        foreach (var name in here.Where(name => name != FileName && sums.ContainsKey(name)))
        {
            var path = Path.Combine(folder, name);
            await using var content = File.OpenRead(path);
            var seen = await SHA256.HashDataAsync(content, cancellationToken);
            if (!IsSame(seen, sums[name]))
            {
                content.Close();
                File.Delete(path);
                throw new InvalidDataException($"{Difference(path, seen, sums[name])}; it is fetched anew at the next try");
            }
        }

        await File.WriteAllTextAsync(verified, "", cancellationToken);
    }

    public static bool IsSame(byte[] seen, string wanted) => Convert.ToHexStringLower(seen).Equals(wanted, StringComparison.OrdinalIgnoreCase);

    public static string Difference(string path, byte[] seen, string wanted) => $"{path} has SHA-256 {Convert.ToHexStringLower(seen)}, {FileName} says {wanted}";

    // A star stands for a file that was read as bytes.
    [GeneratedRegex(@"^(?<hash>[0-9a-fA-F]{64}) [ *](?:\./)?(?<name>.+)$")]
    private static partial Regex Line();
}
