using Batch.ModelTrainer.Model;
using Batch.ModelTrainer.Tokenizer;
using static TorchSharp.torch;

namespace Batch.ModelTrainer.Training;

internal sealed record SampleSettings(int MaxTokens = 120, float Temperature = 0.6f, float TopP = 0.8f, float RepetitionPenalty = 1.05f);

/// <summary>Continues a prompt, recomputing the whole text for each token: slow and short, for looking at a model while it trains.</summary>
internal sealed class TextSampler(LlamaModel model, BpeEncoder encoder, SampleSettings settings)
{
    public string Continue(string prompt, int seed)
    {
        using var frozen = no_grad();
        var random = new Random(seed);
        var ids = encoder.Encode(prompt);
        var from = ids.Count;
        while (ids.Count - from < settings.MaxTokens && ids.Count < model.Config.MaxPositionEmbeddings)
        {
            var next = Draw(Logits(ids), ids, random);
            if (next == Vocabulary.EndOfText)
            {
                break;
            }
            ids.Add(next);
        }
        return encoder.Decode(ids.Skip(from));
    }

    private float[] Logits(List<int> ids)
    {
        using var scope = NewDisposeScope();
        return model.LastLogits(tensor(ids.Select(id => (long)id).ToArray()).unsqueeze(0)).data<float>().ToArray();
    }

    /// <summary>Repetition penalty (Keskar et al. 2019), temperature, then the smallest set of tokens that holds top_p of the probability.</summary>
    private int Draw(float[] logits, List<int> ids, Random random)
    {
        foreach (var id in ids.Distinct())
        {
            logits[id] = logits[id] > 0 ? logits[id] / settings.RepetitionPenalty : logits[id] * settings.RepetitionPenalty;
        }
        var order = Enumerable.Range(0, logits.Length).OrderByDescending(id => logits[id]).ToArray();
        var weights = order.Select(id => Math.Exp((logits[id] - logits[order[0]]) / settings.Temperature)).ToArray();
        var kept = weights.Sum() * settings.TopP;
        var count = 0;
        for (double sum = 0; count < weights.Length && sum < kept; count++)
        {
            sum += weights[count];
        }
        var point = random.NextDouble() * weights.Take(count).Sum();
        for (var i = 0; i < count; i++)
        {
            point -= weights[i];
            if (point <= 0)
            {
                return order[i];
            }
        }
        return order[count - 1];
    }
}
