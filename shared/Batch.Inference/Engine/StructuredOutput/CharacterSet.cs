using System.Globalization;
using System.Text;

namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>A set of Unicode scalar values, as ranges in order that neither touch nor overlap. Surrogates are never in it.</summary>
internal sealed class CharacterSet
{
    private const int LastCharacter = 0x10FFFF;

    private CharacterSet(IReadOnlyList<(int First, int Last)> ranges)
    {
        Ranges = ranges;
    }

    public static CharacterSet Empty { get; } = new([]);

    public static CharacterSet All { get; } = new([(0, 0xD7FF), (0xE000, LastCharacter)]);

    /// <summary>\d of ECMAScript: ASCII digits.</summary>
    public static CharacterSet Digits { get; } = Of(('0', '9'));

    /// <summary>\w of ECMAScript: ASCII letters, digits and the underscore.</summary>
    public static CharacterSet Word { get; } = Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));

    /// <summary>\s of ECMAScript: its white space and line terminators.</summary>
    public static CharacterSet Space { get; } = Of((9, 13), (' ', ' '), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF));

    /// <summary>What the dot stands for in ECMAScript: all but line terminators.</summary>
    public static CharacterSet Dot { get; } = Of(('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029)).Complement();

    public IReadOnlyList<(int First, int Last)> Ranges { get; }

    public bool IsEmpty => Ranges.Count == 0;

    /// <param name="ranges">In any order, overlapping or not.</param>
    public static CharacterSet Of(params IEnumerable<(int First, int Last)> ranges)
    {
        var merged = new List<(int First, int Last)>();
        foreach (var (first, last) in ranges.Where(range => range.First <= range.Last).Order())
        {
            if (merged.Count > 0 && first <= merged[^1].Last + 1)
            {
                merged[^1] = (merged[^1].First, Math.Max(merged[^1].Last, last));
            }
            else
            {
                merged.Add((first, last));
            }
        }
        return new CharacterSet(merged).And(All);
    }

    public static CharacterSet Of(Rune rune) => new([(rune.Value, rune.Value)]);

    /// <summary>A general category by its short name, such as L or Lu; null where there is none of that name.</summary>
    public static CharacterSet? OfCategory(string name)
    {
        const string Names = "LuLlLtLmLoMnMcMeNdNlNoZsZlZpCcCfCsCoPcPdPsPePiPfPoSmScSkSoCn"; // in the order of UnicodeCategory
        var wanted = Enumerable.Range(0, Names.Length / 2).Where(i => Names.Substring(i * 2, 2).StartsWith(name, StringComparison.Ordinal)).ToHashSet();
        if (name.Length is not (1 or 2) || wanted.Count == 0)
        {
            return null;
        }
        var ranges = new List<(int, int)>();
        for (var c = 0; c <= LastCharacter; c++)
        {
            if (!wanted.Contains((int)CharUnicodeInfo.GetUnicodeCategory(c)))
            {
                continue;
            }
            var first = c;
            while (c < LastCharacter && wanted.Contains((int)CharUnicodeInfo.GetUnicodeCategory(c + 1)))
            {
                c++;
            }
            ranges.Add((first, c));
        }
        return Of(ranges);
    }

    public bool Contains(int character) => Ranges.Any(range => range.First <= character && character <= range.Last);

    public CharacterSet Or(CharacterSet other) => Of(Ranges.Concat(other.Ranges));

    public CharacterSet Except(CharacterSet other) => And(other.Complement());

    public CharacterSet Complement()
    {
        var (ranges, next) = (new List<(int, int)>(), 0);
        foreach (var (first, last) in Ranges)
        {
            if (next < first)
            {
                ranges.Add((next, first - 1));
            }
            next = last + 1;
        }
        if (next <= LastCharacter)
        {
            ranges.Add((next, LastCharacter));
        }
        return new CharacterSet(ranges).And(All);
    }

    public CharacterSet And(CharacterSet other)
    {
        var ranges = new List<(int, int)>();
        for (int i = 0, j = 0; i < Ranges.Count && j < other.Ranges.Count;)
        {
            var (first, last) = (Math.Max(Ranges[i].First, other.Ranges[j].First), Math.Min(Ranges[i].Last, other.Ranges[j].Last));
            if (first <= last)
            {
                ranges.Add((first, last));
            }
            if (Ranges[i].Last < other.Ranges[j].Last)
            {
                i++;
            }
            else
            {
                j++;
            }
        }
        return new CharacterSet(ranges);
    }
}
