using Batch.Inference.Engine;

namespace Batch.Inference.Tests.Engine;

internal sealed record Generated(string Text, int Tokens, FinishReason Reason);

internal static class EngineRuns
{
    public static async Task<Generated> RunAsync(this LlmEngine engine, string id, IReadOnlyList<int> prompt, SamplingParams sampling, CancellationToken cancellationToken = default)
    {
        var (text, last) = ("", (GenerationUpdate?)null);
        await foreach (var update in engine.GenerateAsync(new GenerationRequest(id, prompt, sampling.Validate()), cancellationToken))
        {
            Assert.Null(last?.FinishReason);
            text += update.Text;
            last = update;
        }
        return new Generated(text, last!.CompletionTokens, last.FinishReason!.Value);
    }

    /// <summary>Prompts of mixed length, ids below 256.</summary>
    public static int[][] Prompts(int count, int longest = 40)
    {
        var random = new Random(7);
        return Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, random.Next(1, longest)).Select(_ => random.Next(256)).ToArray()).ToArray();
    }

    /// <summary>The reference: the whole text is computed anew for each token, in an engine of its own, greedily.</summary>
    public static int[] NaiveGreedy(LoadedModel model, IReadOnlyList<int> prompt, int tokens)
    {
        var ids = prompt.ToList();
        for (var i = 0; i < tokens; i++)
        {
            ids.Add(ArgMax(LastLogits(model, ids)));
        }
        return [.. ids.Skip(prompt.Count)];
    }

    /// <summary>Logits after the last of the tokens, computed from nothing.</summary>
    public static float[] LastLogits(LoadedModel model, IReadOnlyList<int> ids)
    {
        var sequence = new Sequence(new GenerationRequest("naive", ids, new SamplingParams()), 0, new TextStream(model.Tokenizer, []), 0);
        Assert.True(model.Blocks.TryGrow(sequence.Blocks, ids.Count));
        var logits = model.Runner.Run([new ScheduledSequence(sequence, ids.Count)]).ToArray();
        model.Blocks.Release(sequence.Blocks);
        return logits;
    }

    public static int ArgMax(ReadOnlySpan<float> values)
    {
        var best = 0;
        for (var i = 1; i < values.Length; i++)
        {
            best = values[i] > values[best] ? i : best;
        }
        return best;
    }
}
