using System.Runtime.CompilerServices;
using Batch.Inference.Engine;
using Batch.Inference.Tokenizers;

namespace Batch.Benchmarks.Service;

/// <summary>Answers at once, so that what is measured is everything but the model.</summary>
internal sealed class InstantEngine : LlmEngine
{
    public const char Urgent = 'U';

    private static readonly OneTokenPerCharacter Characters = new();

    private int _answered;
    private int _lastUrgent;

    /// <summary>Requests so far.</summary>
    public int Answered => Volatile.Read(ref _answered);

    /// <summary>How many had been answered when the last came whose prompt begins with <see cref="Urgent"/>.</summary>
    public int LastUrgent => Volatile.Read(ref _lastUrgent);

    public override ModelInfo Model { get; } = new("instant", "instant", "float32", "cpu", 1, 8192, 256, "instant");

    public override HfTokenizer Tokenizer => Characters;

    public override async IAsyncEnumerable<GenerationUpdate> GenerateAsync(
        GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await Task.Yield();
        var answered = Interlocked.Increment(ref _answered);
        if (request.PromptTokenIds[0] == Urgent)
        {
            Volatile.Write(ref _lastUrgent, answered);
        }

        yield return new GenerationUpdate("A draft of some length, as long as a short answer is, and a little more.", 16, FinishReason.Stop);
    }
}
