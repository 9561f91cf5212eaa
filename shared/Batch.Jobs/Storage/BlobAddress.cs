namespace Batch.Jobs.Storage;

/// <summary>Blobs that callers name, as <c>container/name</c>.</summary>
internal static class BlobAddress
{
    private const int LongestName = 1024;

    /// <summary>
    /// Whether a name stays where it is said to be: an address's <c>.</c> and <c>..</c> are resolved before a request is sent, so that
    /// <c>inputs/../results/x.json</c> would be another's result. Backslashes count as slashes there.
    /// </summary>
    public static bool StaysInside(string name) =>
        name.Length <= LongestName && !name.Any(char.IsControl) && name.Split('/', '\\').All(segment => segment is not ("." or ".."));
}
