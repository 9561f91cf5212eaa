using System.Collections.Concurrent;
using System.Text.Json;
using Batch.Inference.Engine;

namespace Batch.Jobs.Requests;

/// <summary>
/// What a parameter is when the job leaves it out: the model's <c>generation_config.json</c> where it says (temperature, top_k, top_p,
/// min_p, repetition_penalty and max_new_tokens, the ones that vLLM takes, and typical_p and no_repeat_ngram_size), else <see cref="SamplingParams"/>.
/// </summary>
public sealed class GenerationDefaults
{
    private readonly ConcurrentDictionary<string, SamplingParams> _sampling = [];

    public SamplingParams Of(ServedModel model) => _sampling.GetOrAdd(model.Folder, Load);

    /// <summary>The defaults of the model in a Hugging Face folder.</summary>
    public static SamplingParams Load(string modelPath)
    {
        var file = Path.Combine(modelPath, "generation_config.json");
        var defaults = new SamplingParams();
        if (!File.Exists(file))
        {
            return defaults;
        }

        using var document = JsonDocument.Parse(File.ReadAllBytes(file));
        var config = document.RootElement;
        try
        {
            return (defaults with
            {
                Temperature = Number(config, "temperature") ?? defaults.Temperature,
                MaxTokens = (int?)Number(config, "max_new_tokens") ?? defaults.MaxTokens,
                TypicalP = Number(config, "typical_p") ?? defaults.TypicalP,
                NoRepeatNgramSize = (int?)Number(config, "no_repeat_ngram_size") ?? defaults.NoRepeatNgramSize,
                TopK = (int?)Number(config, "top_k") ?? defaults.TopK,
                TopP = Number(config, "top_p") ?? defaults.TopP,
                MinP = Number(config, "min_p") ?? defaults.MinP,
                RepetitionPenalty = Number(config, "repetition_penalty") ?? defaults.RepetitionPenalty,
            }).Validate();
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"{file}: {e.Message}", e);
        }
    }

    private static float? Number(JsonElement config, string name) =>
        config.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetSingle() : null;
}
