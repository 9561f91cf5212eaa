using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Batches;

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
                yield return WriteChat([new ChatPiece(index, new ChatDelta("assistant", ""), Logprobs: null, FinishReason: null)], null);
            }
        }

        if (text.Length > 0 || update.Logprobs is not null)
        {
            yield return Write(index, text, update.Logprobs, null);
        }

        if (update.FinishReason is { } reason)
        {
            yield return Write(index, null, null, reason.ToString().ToLowerInvariant());
        }
    }

    /// <summary>The chunk without choices that stream_options.include_usage asks for.</summary>
    public string Usage(GeneratedTexts texts) => _isChat ? WriteChat([], CompletionResponse.UsageOf(texts)) : WriteText([], CompletionResponse.UsageOf(texts));

    private string Write(int index, string? text, TokenLogprobs? token, string? finishReason)
    {
        var score = token is null ? null : TextGeneration.Score(token, run.Engine.Tokenizer);
        if (_isChat)
        {
            return WriteChat([new ChatPiece(index, new ChatDelta(Content: text), ChatLogprobs.Of(score is null ? null : [score]), finishReason)], null);
        }

        var offset = _offsets[index];
        _offsets[index] += score?.Token.Length ?? 0;
        return WriteText([new TextChoice(text ?? "", index, score is null ? null : CompletionLogprobs.Of([score], offset), finishReason)], null);
    }

    private string WriteText(TextChoice[] choices, CompletionUsage? usage) => Write("text_completion", choices, usage);

    private string WriteChat(ChatPiece[] choices, CompletionUsage? usage) => Write("chat.completion.chunk", choices, usage);

    private string Write<T>(string kind, T[] choices, CompletionUsage? usage)
    {
        var (made, model) = (created.ToUnixTimeSeconds(), run.Engine.Model);
        return includesUsage
            ? JsonSerializer.Serialize(new Chunk<T>(id, kind, made, model.Name, model.Identity, choices, usage), CompletionResponse.Options)
            : JsonSerializer.Serialize(new UncountedChunk<T>(id, kind, made, model.Name, model.Identity, choices), CompletionResponse.Options);
    }
}
