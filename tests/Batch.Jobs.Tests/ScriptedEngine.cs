using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Batch.Inference.Engine;
using Batch.Inference.Tokenizers;

namespace Batch.Jobs.Tests;

/// <summary>
/// An engine whose text follows from prompt and seed, one token a character of the prompt, and which can be held or made to fail in the
/// middle.
/// </summary>
internal sealed class ScriptedEngine : LlmEngine
{
    private readonly TaskCompletionSource _held = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _go = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private int _computed;

    public const int Context = 200_000;

    /// <summary>Tokens drawn, those that a request brought along left aside.</summary>
    public int Computed => _computed;

    public ConcurrentQueue<GenerationRequest> Requests { get; } = [];

    /// <summary>Completes once a text is held after its first piece.</summary>
    public Task Held => _held.Task;

    /// <summary>Completes once a text was cancelled.</summary>
    public Task Cancelled => _cancelled.Task;

    public bool HoldsAfterFirstPiece { get; set; }

    /// <summary>Called once, after the first piece of the next text.</summary>
    public Action? AfterFirstPiece { get; set; }

    /// <summary>Thrown after the first piece of the next texts.</summary>
    public ConcurrentQueue<Exception> Faults { get; } = [];

    public string Name { get; init; } = "scripted";

    public override ModelInfo Model => new(Name, "scripted", "float32", "cpu", 1, Context, 256, "identity-1");

    public override HfTokenizer Tokenizer => new OneTokenPerCharacter(this);

    public StopReason? StopReason { get; set; }

    public bool HasChatTemplate { get; set; }

    public static string TextOf(ulong seed) => $"first piece, seed {seed}, last piece";

    public void LetGo() => _go.SetResult();

    public override async IAsyncEnumerable<GenerationUpdate> GenerateAsync(
        GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await Task.Yield();
        Requests.Enqueue(request);
        var scores = request.Sampling.Logprobs is null ? null : new TokenLogprobs('a', -0.5f, 1, [new('a', -0.5f), new('b', float.NegativeInfinity)]);
        var prompt = request.Sampling is { PromptLogprobs: null } and ({ Echo: false } or { Logprobs: null }) ? null : new[] { new TokenLogprobs('n', -1f, 2, []) };
        yield return Draw(new GenerationUpdate("first piece", 1, null) { Logprobs = scores, PromptLogprobs = prompt });
        var after = AfterFirstPiece;
        AfterFirstPiece = null;
        after?.Invoke();
        if (Faults.TryDequeue(out var fault))
        {
            throw fault;
        }

        if (HoldsAfterFirstPiece)
        {
            _held.TrySetResult();
            await Task.WhenAny(_go.Task, Task.Delay(Timeout.Infinite, cancellationToken));
        }

        if (cancellationToken.IsCancellationRequested)
        {
            _cancelled.TrySetResult();
            yield return new GenerationUpdate("", 1, FinishReason.Cancelled) { TokenIds = [1] };
            yield break;
        }

        yield return Draw(new GenerationUpdate($", seed {request.Sampling.Seed}", 2, null));
        yield return Draw(new GenerationUpdate(", last piece", 3, FinishReason.Stop) { StopReason = StopReason, TokenIds = [1, (int)(request.Sampling.Seed! % 256), 3] });

        GenerationUpdate Draw(GenerationUpdate update)
        {
            _ = update.CompletionTokens > (request.Resume?.Drawn.Count ?? 0) ? Interlocked.Increment(ref _computed) : 0;
            return update with { Drawn = new DrawnToken(update.CompletionTokens, 0, scores) };
        }
    }

    private sealed class OneTokenPerCharacter(ScriptedEngine engine) : HfTokenizer
    {
        public override int VocabularySize => 256;

        public override string? ChatTemplate => engine.HasChatTemplate ? "a template" : null;

        public override int[] EncodeChat(IReadOnlyList<ChatMessage> messages) => messages[0].Role == "user"
            ? Encode(string.Concat(messages.Select(message => $"[{message.Role}]{message.Content}")))
            : throw new ArgumentException("the first message must be the user's");

        public override string Decode(IReadOnlyList<int> ids, bool skipSpecialTokens = true) => new([.. ids.Select(id => (char)id)]);

        public override ReadOnlySpan<byte> GetBytes(int id) => new[] { (byte)id };

        public override int[] Encode(string text, bool addSpecialTokens = true) => [.. text.Select(c => c % 256)];
    }
}
