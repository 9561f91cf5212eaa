using System.Globalization;
using System.Text.Json;
using Batch.Inference.Engine;

namespace Batch.Jobs.Requests;

/// <summary>The sampling parameters that are more than one number, one string or one list of strings. Ranges are checked with the others.</summary>
internal static class SamplingField
{
    /// <summary>Null is vLLM's way to say: to the context's end.</summary>
    public static int MaxTokens(JsonProperty field) =>
        field.Value.ValueKind == JsonValueKind.Null ? JobParameters.ToContextEnd : JsonField.Integer(field);

    public static IReadOnlyList<int> TokenIds(JsonProperty field) =>
        field.Value.ValueKind == JsonValueKind.Array
        && field.Value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out _))
            ? [.. field.Value.EnumerateArray().Select(item => item.GetInt32())]
            : throw JsonField.Wrong(field, "an array of token ids");

    /// <summary>As OpenAI writes it: an object whose names are token ids.</summary>
    public static IReadOnlyDictionary<int, float> LogitBias(JsonProperty field)
    {
        var bias = new SortedDictionary<int, float>();
        if (field.Value.ValueKind != JsonValueKind.Object)
        {
            throw JsonField.Wrong(field, "an object from token ids to numbers");
        }

        foreach (var pair in field.Value.EnumerateObject())
        {
            if (!int.TryParse(pair.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            {
                throw JsonField.Wrong(field, "an object from token ids to numbers", $"one with the name {JsonField.Quote(pair.Name)}");
            }

            bias[id] = pair.Value.ValueKind == JsonValueKind.Number && pair.Value.TryGetSingle(out var value)
                ? value
                : throw JsonField.Wrong(field, "an object from token ids to numbers", $"{JsonField.Describe(pair.Value)} for token {id}");
        }

        return bias;
    }

    public static RepetitionDetectionParams RepetitionDetection(JsonProperty field)
    {
        const string Wanted = "{max_pattern_size, min_pattern_size, min_count}, integers";
        if (field.Value.ValueKind != JsonValueKind.Object)
        {
            throw JsonField.Wrong(field, Wanted);
        }

        var (most, least, count) = (0, 0, 0);
        foreach (var part in field.Value.EnumerateObject())
        {
            var value = JsonField.Integer(part);
            switch (part.Name)
            {
                case "max_pattern_size": most = value; break;
                case "min_pattern_size": least = value; break;
                case "min_count": count = value; break;
                default: throw JsonField.Wrong(field, Wanted, $"one with {JsonField.Quote(part.Name)}");
            }
        }

        return new RepetitionDetectionParams(most, least, count);
    }

    public static EarlyStopping EarlyStopping(JsonProperty field) => field.Value.ValueKind switch
    {
        JsonValueKind.False => Inference.Engine.EarlyStopping.False,
        JsonValueKind.True => Inference.Engine.EarlyStopping.True,
        JsonValueKind.String when field.Value.ValueEquals("never") => Inference.Engine.EarlyStopping.Never,
        _ => throw JsonField.Wrong(field, "true, false or \"never\""),
    };
}
