using System.Text;
using System.Text.RegularExpressions;

namespace Batch.ModelTrainer.Corpus;

/// <summary>The people, places and values of one document: a slot keeps its value from the first sentence to the last, numbers excepted.</summary>
internal sealed class DocumentSlots
{
    private readonly Random _random;
    private readonly SharedLists _shared;
    private readonly Dictionary<string, string[]> _drawn = [];
    private readonly bool _female;
    private readonly string _name;
    private readonly string _friend;

    public DocumentSlots(Random random, SharedLists shared)
    {
        _random = random;
        _shared = shared;
        _female = random.Next(2) == 0;
        _name = Pick(_female ? shared.FemaleNames : shared.MaleNames);
        do
        {
            _friend = Pick(random.Next(2) == 0 ? shared.FemaleNames : shared.MaleNames);
        }
        while (_friend == _name);
    }

    /// <summary>A sentence from a frame of <paramref name="pack"/>: choices drawn afresh, slots filled, the first letter a capital.</summary>
    public string Expand(string frame, Pack pack, bool title = false)
    {
        var chosen = Frame.Choice().Replace(frame, choice => Pick(choice.Groups[1].Value.Split('|')));
        var filled = Frame.Slot().Replace(chosen, slot => title && !_shared.Chinese ? TitleCase(Value(slot, pack)) : Value(slot, pack));
        var text = filled.Replace("  ", " ", StringComparison.Ordinal).Trim();
        return Capitalise(text);
    }

    private string Value(Match slot, Pack pack)
    {
        var name = slot.Groups["name"].Value;
        return name switch
        {
            "name" => _name,
            "friend" => _friend,
            "he" => _female ? "she" : "he",
            "him" => _female ? "her" : "him",
            "his" => _female ? "her" : "his",
            "He" => _female ? "She" : "He",
            "His" => _female ? "Her" : "His",
            "ta" => _female ? "她" : "他",
            "number" => Pick(_shared.Slots["number"]),
            _ when pack.Slots.TryGetValue(name, out var own) => Drawn($"{pack.Topic}/{name}", own)[Frame.Index(slot)],
            _ => Drawn(name, _shared.Slots[name])[Frame.Index(slot)],
        };
    }

    private string[] Drawn(string key, string[] values)
    {
        if (!_drawn.TryGetValue(key, out var order))
        {
            order = [.. values];
            _random.Shuffle(order);
            _drawn[key] = order;
        }
        return order;
    }

    private string Pick(string[] values) => values[_random.Next(values.Length)];

    private static string Capitalise(string text)
    {
        var at = text.StartsWith('"') ? 1 : 0;
        return text.Length > at && char.IsAsciiLetterLower(text[at]) ? $"{text[..at]}{char.ToUpperInvariant(text[at])}{text[(at + 1)..]}" : text;
    }

    private static string TitleCase(string value)
    {
        var text = new StringBuilder(value);
        for (var i = 0; i < text.Length; i++)
        {
            if (i == 0 || text[i - 1] == ' ')
            {
                text[i] = char.ToUpperInvariant(text[i]);
            }
        }
        return text.ToString();
    }
}
