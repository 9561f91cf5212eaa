using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Batches;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Interactive;

/// <summary>The events of a streamed completion, as JSON in OpenAI's shape.</summary>
internal sealed class CompletionChunks(string endpoint, string id, DateTimeOffset created, CompletionRun run, bool includesUsage)
{
    /// <summary>After the last chunk.</summary>
    public const string Done = "[DONE]";

    private readonly bool _isChat = endpoint == CompletionBody.Chat;
    private readonly bool[] _begun = new bool[run.Generation.Sampling.N];
    private readonly int[] _offsets = new int[run.Generation.Sampling.N]; // characters of the tokens told of

    /// <summary>What a piece of a choice gives to tell: possibly nothing.</summary>
    public IEnumerable<string> Of(int index, GenerationUpdate update)
    {
        var text = update.Text;
        if (!_begun[index])
        {
            _begun[index] = true;
            text = run.Prefix + text;
            if (_isChat)
            {
                yield return Chunk(new { Index = index, Delta = new { Role = "assistant", Content = "", Refusal = (string?)null }, Logprobs = (object?)null, FinishReason = (string?)null });
            }
        }

        if (text.Length > 0 || update.Logprobs is not null)
        {
            yield return Chunk(Choice(index, text, update.Logprobs, null));
        }

        if (update.FinishReason is { } reason)
        {
            yield return Chunk(Choice(index, null, null, reason.ToString().ToLowerInvariant()));
        }
    }

    /// <summary>The chunk without choices that stream_options.include_usage asks for.</summary>
    public string Usage(GeneratedTexts texts) => Write([], CompletionResponse.UsageOf(texts));

    private object Choice(int index, string? text, TokenLogprobs? token, string? finishReason)
    {
        var score = token is null ? null : TextGeneration.Score(token, run.Engine.Tokenizer);
        if (_isChat)
        {
            var logprobs = score is null ? null : new ChoiceLogprobs([score]);
            return new { Index = index, Delta = text is null ? new object() : new { Content = text }, Logprobs = logprobs, FinishReason = finishReason };
        }

        var offset = _offsets[index];
        _offsets[index] += score?.Token.Length ?? 0;
        return new { Text = text ?? "", Index = index, Logprobs = score is null ? null : CompletionLogprobs.Of([score], offset), FinishReason = finishReason };
    }

    private string Chunk(object choice) => Write([choice], null);

    private string Write(object[] choices, object? usage)
    {
        var chunk = new Dictionary<string, object?>
        {
            ["id"] = id,
            ["object"] = _isChat ? "chat.completion.chunk" : "text_completion",
            ["created"] = created.ToUnixTimeSeconds(),
            ["model"] = run.Engine.Model.Name,
            ["system_fingerprint"] = run.Engine.Model.Identity,
            ["choices"] = choices,
        };
        if (includesUsage)
        {
            chunk["usage"] = usage;
        }

        return JsonSerializer.Serialize(chunk, CompletionResponse.Options);
    }
}
