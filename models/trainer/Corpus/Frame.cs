using System.Globalization;
using System.Text.RegularExpressions;

namespace Batch.ModelTrainer.Corpus;

/// <summary>The two marks of a sentence frame: <c>(a|b|c)</c> is a choice, <c>{slot}</c> or <c>{slot:2}</c> a value.</summary>
internal static partial class Frame
{
    [GeneratedRegex(@"\(([^()]*)\)")]
    public static partial Regex Choice();

    [GeneratedRegex(@"\{(?<name>[A-Za-z_]+)(:(?<index>\d+))?\}")]
    public static partial Regex Slot();

    /// <summary>The zero-based number of the value that a slot asks for: 0 for <c>{slot}</c>, 1 for <c>{slot:2}</c>.</summary>
    public static int Index(Match slot) =>
        slot.Groups["index"] is { Success: true } index ? int.Parse(index.Value, CultureInfo.InvariantCulture) - 1 : 0;
}
