using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml;

namespace Batch.Jobs.Batches;

/// <summary>A duration as OpenAI's clients write it (<c>24h</c>, <c>30m</c>, <c>7d</c>, <c>90s</c>) or ISO 8601's (<c>PT30M</c>).</summary>
internal static partial class CompletionWindow
{
    public static readonly TimeSpan Longest = TimeSpan.FromDays(365);

    /// <summary>Null where it is none, or none from a second to a year.</summary>
    public static TimeSpan? Read(string text)
    {
        var duration = Short().Match(text) is { Success: true } match ? ReadShort(match) : ReadIso(text);
        return duration >= TimeSpan.FromSeconds(1) && duration <= Longest ? duration : null;
    }

    private static TimeSpan? ReadShort(Match match)
    {
        var number = long.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
        var seconds = number * match.Groups[2].ValueSpan[0] switch { 's' => 1, 'm' => 60, 'h' => 3600, _ => 86_400 };
        return seconds <= Longest.TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;
    }

    private static TimeSpan? ReadIso(string text)
    {
        try
        {
            return text.StartsWith('P') && text.Length <= 64 ? XmlConvert.ToTimeSpan(text) : null;
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            return null;
        }
    }

    [GeneratedRegex("^([0-9]{1,9})([smhd])\\z", RegexOptions.CultureInvariant)]
    private static partial Regex Short();
}
