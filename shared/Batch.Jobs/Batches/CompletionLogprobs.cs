using System.Text;
using Batch.Inference.Engine;
using Batch.Inference.Tokenizers;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Batches;

/// <summary>Log probabilities as OpenAI's text completions give them: four lists, an entry for each token.</summary>
/// <param name="Tokens">The tokens' texts.</param>
/// <param name="TokenLogprobs">Their log probabilities; null for the first token of an echoed prompt.</param>
/// <param name="TopLogprobs">The most likely tokens in the place of each, where they were asked for.</param>
/// <param name="TextOffset">Where each begins in the text.</param>
public sealed record CompletionLogprobs(
    IReadOnlyList<string> Tokens, IReadOnlyList<float?> TokenLogprobs, IReadOnlyList<IReadOnlyDictionary<string, float>?> TopLogprobs, IReadOnlyList<int> TextOffset)
{
    internal static CompletionLogprobs? Of(JobChoice choice, IReadOnlyList<TokenScore>? prompt) =>
        choice.Logprobs is { } scored ? Of([.. prompt ?? [], .. scored.Content], 0) : null;

    /// <param name="all">Tokens in a row.</param>
    /// <param name="offset">Where the first begins.</param>
    internal static CompletionLogprobs Of(IReadOnlyList<TokenScore> all, int offset)
    {
        var offsets = new List<int>(all.Count);
        foreach (var token in all)
        {
            offsets.Add(offset);
            offset += token.Token.Length;
        }

        return new CompletionLogprobs(
            [.. all.Select(token => token.Token)],
            [.. all.Select(token => float.IsNaN(token.Logprob) ? (float?)null : token.Logprob)],
            [.. all.Select(token => token.TopLogprobs is { } top ? Best(top) : null)],
            offsets);
    }

    /// <summary>The tokens of a prompt that is echoed; the first has no probability, since nothing comes before it.</summary>
    internal static IReadOnlyList<TokenScore>? PromptOf(GenerationRequest request, IReadOnlyList<TokenScore>? scores, HfTokenizer tokenizer)
    {
        if (!request.Sampling.Echo || scores is null)
        {
            return null;
        }

        var first = request.PromptTokenIds[0];
        var bytes = tokenizer.GetBytes(first).ToArray();
        return [new TokenScore(Encoding.UTF8.GetString(bytes), first, float.NaN, [.. bytes.Select(b => (int)b)]), .. scores];
    }

    // Two tokens of the same text are one entry here, the better one.
    private static Dictionary<string, float> Best(IReadOnlyList<TokenScore> top) =>
        top.GroupBy(token => token.Token, StringComparer.Ordinal).ToDictionary(same => same.Key, same => same.Max(token => token.Logprob));
}
