using System.Text.RegularExpressions;

namespace Batch.ModelTrainer.Corpus;

/// <summary>Reads topic packs and the shared lists; stops at the first mistake and names file and line.</summary>
internal static partial class PackReader
{
    private static readonly string[] SectionNames = ["slots", "title", "open", "body", "close", "prose", "request"];
    private static readonly string[] PeopleSlots = ["name", "friend", "he", "him", "his", "He", "His", "ta"];

    /// <summary>Reads <c>{corpus}/shared.{language}.txt</c> and <c>{corpus}/{language}/*.txt</c>, in the order of their names.</summary>
    public static (SharedLists Shared, Pack[] Packs) ReadLanguage(string corpus, string language)
    {
        var shared = ReadShared(Path.Combine(corpus, $"shared.{language}.txt"), language == "zh");
        var files = Directory.GetFiles(Path.Combine(corpus, language), "*.txt").Order(StringComparer.Ordinal);
        return (shared, [.. files.Select(file => ReadPack(file, shared))]);
    }

    public static Pack ReadPack(string file, SharedLists shared)
    {
        var lines = Sections(file, out var topic);
        var slots = Slots(lines["slots"], file);
        var known = new HashSet<string>([.. slots.Keys, .. shared.Slots.Keys, .. PeopleSlots]);
        foreach (var line in lines["title"].Concat(lines["open"]).Concat(lines["body"]).Concat(lines["close"]))
        {
            CheckFrame(line, known, slots, file);
        }
        foreach (var section in (string[])["title", "open", "body", "close", "prose"])
        {
            Require(lines[section].Count > 0, $"{file}: section '{section}' is empty");
        }
        return new Pack(topic, slots, Texts("title"), Texts("open"), Texts("body"), Texts("close"), Texts("prose"));

        string[] Texts(string section) => [.. lines[section].Select(line => line.Text)];
    }

    public static SharedLists ReadShared(string file, bool chinese)
    {
        var lines = Sections(file, out _);
        var slots = Slots(lines["slots"], file);
        foreach (var name in (string[])["female", "male", "city", "season", "month", "weekday", "number"])
        {
            Require(slots.ContainsKey(name), $"{file}: the list '{name}' is missing");
        }
        var rest = slots.Where(slot => slot.Key is not ("female" or "male")).ToDictionary();
        return new SharedLists(chinese, slots["female"], slots["male"], rest, [.. lines["request"].Select(line => line.Text)]);
    }

    private static Dictionary<string, List<Line>> Sections(string file, out string topic)
    {
        var sections = SectionNames.ToDictionary(name => name, _ => new List<Line>());
        var current = "";
        var number = 0;
        topic = "";
        foreach (var raw in File.ReadLines(file))
        {
            number++;
            var text = raw.Trim();
            if (text.Length == 0)
            {
                continue;
            }
            if (text.StartsWith("topic:", StringComparison.Ordinal))
            {
                topic = text["topic:".Length..].Trim();
            }
            else if (text.EndsWith(':') && sections.ContainsKey(text[..^1]))
            {
                current = text[..^1];
            }
            else
            {
                Require(current.Length > 0, $"{file}:{number}: text before the first section");
                sections[current].Add(new Line(number, text));
            }
        }
        return sections;
    }

    private static Dictionary<string, string[]> Slots(List<Line> lines, string file)
    {
        var slots = new Dictionary<string, string[]>();
        foreach (var (number, text) in lines)
        {
            var equals = text.IndexOf('=');
            Require(equals > 0, $"{file}:{number}: a slot is written 'name = value | value', saw '{text}'");
            var values = text[(equals + 1)..].Split('|', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            Require(values.Length >= 2, $"{file}:{number}: a slot needs two values or more");
            Require(slots.TryAdd(text[..equals].Trim(), values), $"{file}:{number}: the slot is defined twice");
        }
        return slots;
    }

    private static void CheckFrame(Line line, HashSet<string> known, Dictionary<string, string[]> slots, string file)
    {
        foreach (Match slot in Frame.Slot().Matches(line.Text))
        {
            var name = slot.Groups["name"].Value;
            Require(known.Contains(name), $"{file}:{line.Number}: slot '{name}' is not defined");
            Require(!slots.TryGetValue(name, out var values) || Frame.Index(slot) < values.Length,
                $"{file}:{line.Number}: '{slot.Value}' asks for more values than '{name}' has");
        }
        var rest = Frame.Slot().Replace(Frame.Choice().Replace(line.Text, ""), "");
        Require(rest.IndexOfAny(['(', ')', '|', '{', '}']) < 0, $"{file}:{line.Number}: unbalanced or nested choice in '{line.Text}'");
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new InvalidDataException(message);
        }
    }

    private sealed record Line(int Number, string Text);
}
