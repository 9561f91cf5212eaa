namespace Batch.Inference.Engine.Logits;

/// <summary>
/// repetition_penalty over prompt and text (Keskar et al. 2019), then frequency_penalty and presence_penalty over the text alone, as OpenAI defines them;
/// the order is vLLM's (apply_penalties).
/// </summary>
internal sealed class Penalties(SamplingParams sampling) : LogitsProcessor
{
    public static bool AskedFor(SamplingParams sampling) =>
        sampling.RepetitionPenalty != 1f || sampling.FrequencyPenalty != 0f || sampling.PresencePenalty != 0f;

    public override void Apply(Span<float> logits, Sequence sequence)
    {
        var (repetition, frequency, presence) = (sampling.RepetitionPenalty, sampling.FrequencyPenalty, sampling.PresencePenalty);
        foreach (var (id, times) in sequence.Counts!)
        {
            if (id >= logits.Length)
            {
                continue; // a prompt may hold ids that only the model knows
            }
            var logit = logits[id] > 0f ? logits[id] / repetition : logits[id] * repetition;
            logits[id] = times.InText == 0 ? logit : logit - frequency * times.InText - presence;
        }
    }
}
