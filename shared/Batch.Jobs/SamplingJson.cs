using System.Text.Json.Serialization.Metadata;
using Batch.Inference.Engine;

namespace Batch.Jobs;

/// <summary>
/// How the parameters in effect look in a result: the common ones always, the others where they differ from the default, which changes nothing.
/// </summary>
internal static class SamplingJson
{
    private static readonly SamplingParams Neutral = new();

    private static readonly HashSet<string> Common =
    [
        "max_tokens", "min_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed", "stop", "ignore_eos",
    ];

    public static void OmitNeutral(JsonTypeInfo type)
    {
        if (type.Type != typeof(SamplingParams))
        {
            return;
        }

        foreach (var property in type.Properties)
        {
            if (property is { Get: { } get } && !Common.Contains(property.Name))
            {
                var neutral = get(Neutral);
                property.ShouldSerialize = (_, value) => value is not null && !value.Equals(neutral);
            }
        }
    }
}
