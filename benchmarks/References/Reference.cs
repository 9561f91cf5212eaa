using System.Text.Json;

namespace Batch.Benchmarks.References;

/// <summary>What another implementation computed for a small checkpoint: enough to draw the checkpoint again and compare.</summary>
/// <param name="Source">The implementation, with its release.</param>
/// <param name="Config">config.json of the checkpoint.</param>
/// <param name="Seed">Of its weights, as <see cref="RandomCheckpoint"/> draws them.</param>
/// <param name="Positions">Of the prompt's tokens whose logits are given.</param>
/// <param name="Logits">[positions][vocabulary]</param>
/// <param name="Greedy">The most likely continuation of the whole prompt, token by token.</param>
internal sealed record Reference(string Source, JsonElement Config, ulong Seed, int[] Prompt, int[] Positions, float[][] Logits, int[] Greedy)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static Reference Load(string path) => JsonSerializer.Deserialize<Reference>(File.ReadAllBytes(path), Json)!;

    /// <summary>A line for each field and for each row of logits.</summary>
    public void Save(string path)
    {
        var fields = JsonSerializer.SerializeToElement(this, Json).EnumerateObject().Select(f => $"  \"{f.Name}\": {Lines(f.Value)}");
        File.WriteAllText(path, $"{{\n{string.Join(",\n", fields)}\n}}\n");
    }

    /// <summary>The first of the largest.</summary>
    public static int Largest(ReadOnlySpan<float> values)
    {
        var best = 0;
        for (var i = 1; i < values.Length; i++)
        {
            best = values[i] > values[best] ? i : best;
        }
        return best;
    }

    private static string Lines(JsonElement value) => value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0 && value[0].ValueKind == JsonValueKind.Array
        ? $"[\n    {string.Join(",\n    ", value.EnumerateArray().Select(row => row.GetRawText()))}\n  ]"
        : value.GetRawText();
}
