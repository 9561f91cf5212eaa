using System.Globalization;
using System.Text.Json;

namespace Batch.Inference.Engine.StructuredOutput.Json;

/// <summary>A place in a schema, so that every complaint can say where, what was seen and what was wanted.</summary>
internal readonly record struct SchemaPart(JsonElement Value, string Path)
{
    public SchemaPart? Find(string keyword) => Value.ValueKind == JsonValueKind.Object && Value.TryGetProperty(keyword, out var value) ? new SchemaPart(value, $"{Path}/{keyword}") : null;

    public bool IsTrue => Value.ValueKind == JsonValueKind.True;

    public bool IsFalse => Value.ValueKind == JsonValueKind.False;

    public string Raw => Value.GetRawText();

    public string Text() => Value.ValueKind == JsonValueKind.String ? Value.GetString()! : throw Wrong("a string");

    public bool Flag() => IsTrue || (IsFalse ? false : throw Wrong("true or false"));

    /// <summary>A length or a number of items.</summary>
    public int Count() => Value.ValueKind == JsonValueKind.Number && Value.TryGetDecimal(out var n) && n >= 0 && n == decimal.Floor(n)
        ? (int)Math.Min(n, 1_000_000)
        : throw Wrong("an integer of at least 0");

    public decimal Number()
    {
        if (Value.ValueKind != JsonValueKind.Number)
        {
            throw Wrong("a number");
        }
        return decimal.TryParse(Raw, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && decimal.Abs(number) <= JsonNumbers.Largest && (number == 0 || decimal.Abs(number) >= 1e-12m) && decimal.Round(number, 12) == number
            ? number
            : throw Wrong("a number of at most 18 digits before and 12 after the point");
    }

    public IEnumerable<SchemaPart> Items()
    {
        if (Value.ValueKind != JsonValueKind.Array)
        {
            throw Wrong("an array");
        }
        var path = Path;
        return Value.EnumerateArray().Select((item, i) => new SchemaPart(item, $"{path}/{i}"));
    }

    public IEnumerable<(string Name, SchemaPart Part)> Members()
    {
        if (Value.ValueKind != JsonValueKind.Object)
        {
            throw Wrong("an object");
        }
        var path = Path;
        return Value.EnumerateObject().Select(member => (member.Name, new SchemaPart(member.Value, $"{path}/{member.Name}")));
    }

    public ArgumentException Wrong(string wanted) => Refused($"must be {wanted}, was {(Raw.Length <= 60 ? Raw : Raw[..60] + "…")}");

    public ArgumentException Refused(string problem) => StructuredOutputParams.Refused($"json_schema at {Path}", problem);
}
