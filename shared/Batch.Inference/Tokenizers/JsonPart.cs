using System.Text.Json;
using System.Text.RegularExpressions;

namespace Batch.Inference.Tokenizers;

/// <summary>A place inside a JSON file, so that every complaint can say where, what was seen and what was wanted.</summary>
internal readonly record struct JsonPart(string File, string Path, JsonElement Value)
{
    private const int MostIds = 1 << 24; // tables are as long as the highest id

    /// <summary>Reads a whole file; <see cref="InvalidDataException"/> where it is not JSON.</summary>
    public static JsonPart Read(string file)
    {
        try
        {
            return new JsonPart(file, "", JsonText.Parse(System.IO.File.ReadAllBytes(file)).RootElement);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{file}: not valid JSON: {e.Message}", e);
        }
    }

    /// <summary>The member of that name, or null where it is absent or JSON null.</summary>
    public JsonPart? Find(string name)
    {
        if (Value.ValueKind != JsonValueKind.Object)
        {
            throw Wrong("an object");
        }
        return Value.TryGetProperty(name, out var member) && member.ValueKind != JsonValueKind.Null ? Member(name, member) : null;
    }

    public JsonPart Get(string name) => Find(name) ?? throw new InvalidDataException($"{Where}: has no '{name}'");

    public string Text() => Value.ValueKind == JsonValueKind.String ? Value.GetString()! : throw Wrong("a string");

    public int Integer() => Value.ValueKind == JsonValueKind.Number && Value.TryGetInt32(out var n) ? n : throw Wrong("an integer");

    /// <summary>A token id.</summary>
    public int Id() => Integer() is >= 0 and < MostIds and var id ? id : throw Wrong($"a token id from 0 to {MostIds - 1}");

    /// <summary>Hugging Face's pattern objects, {"String": …} or {"Regex": …}, as a regular expression that .NET reads.</summary>
    public string Pattern() => Find("String") is { } literal ? Regex.Escape(literal.Text()) : Get("Regex").Expression();

    /// <summary>A regular expression that .NET reads.</summary>
    public string Expression()
    {
        var pattern = Text();
        try
        {
            _ = new Regex(pattern);
            return pattern;
        }
        catch (RegexParseException e)
        {
            throw new InvalidDataException($"{Where}: {e.Message}", e);
        }
    }

    public bool Flag(string name, bool otherwise) => Find(name) is { } part ? part.Flag() : otherwise;

    public IEnumerable<JsonPart> Items()
    {
        if (Value.ValueKind != JsonValueKind.Array)
        {
            throw Wrong("an array");
        }
        var (file, path) = (File, Path);
        return Value.EnumerateArray().Select((item, i) => new JsonPart(file, $"{path}[{i}]", item));
    }

    public IEnumerable<(string Name, JsonPart Part)> Members()
    {
        if (Value.ValueKind != JsonValueKind.Object)
        {
            throw Wrong("an object");
        }
        var whole = this;
        return Value.EnumerateObject().Select(member => (member.Name, whole.Member(member.Name, member.Value)));
    }

    public InvalidDataException Wrong(string wanted) => new($"{Where}: wanted {wanted}, saw {Excerpt()}");

    public InvalidDataException Unsupported(string what, string type) => new($"{Where}: {what} '{type}' is not supported");

    private string Where => Path.Length == 0 ? File : $"{File}: {Path}";

    private bool Flag() => Value.ValueKind is JsonValueKind.True or JsonValueKind.False ? Value.GetBoolean() : throw Wrong("true or false");

    private JsonPart Member(string name, JsonElement value) => new(File, Path.Length == 0 ? name : $"{Path}.{name}", value);

    private string Excerpt()
    {
        var text = Value.GetRawText();
        return text.Length <= 60 ? text : text[..60] + "…";
    }
}
