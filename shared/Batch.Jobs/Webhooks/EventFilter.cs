using System.Text.Json;
using Batch.Jobs.Events;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Webhooks;

/// <summary>
/// Which types of events an endpoint wants: types by their name, <c>batch.job.*</c> for all that begin so, <c>*</c> for all there are and will be.
/// </summary>
internal static class EventFilter
{
    public const string Everything = "*";

    private const int MostPatterns = 32;

    /// <summary>As the row keeps them, separated by spaces. A pattern that no type matches is refused: it is misspelt.</summary>
    public static string Read(JsonProperty field)
    {
        var patterns = JsonField.Strings(field);
        if (patterns.Count is 0 or > MostPatterns)
        {
            throw JsonField.Wrong(field, $"1 to {MostPatterns} types of events", $"{patterns.Count}");
        }

        return string.Join(' ', patterns.Select(pattern => IsKnown(pattern) ? pattern : throw JsonField.Wrong(
            field, $"types of events ({string.Join(", ", EventType.All)}), beginnings of them such as batch.job.*, or *", JsonField.Quote(pattern))));
    }

    public static bool Matches(string patterns, string type) => patterns.Split(' ').Any(pattern => IsMatch(pattern, type));

    private static bool IsKnown(string pattern) => !pattern.Contains(' ', StringComparison.Ordinal) && EventType.All.Any(type => IsMatch(pattern, type));

    private static bool IsMatch(string pattern, string type) =>
        pattern == Everything
        || pattern == type
        || (pattern.EndsWith(".*", StringComparison.Ordinal) && type.StartsWith(pattern[..^1], StringComparison.Ordinal));
}
