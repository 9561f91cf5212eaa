using Batch.Inference.Engine;
using Batch.Jobs.Requests;
using Batch.Jobs.Runs;

namespace Batch.Jobs.Batches;

/// <summary>One request in OpenAI's shape on its way through the engine: a line of a batch, or one that somebody waits for.</summary>
internal sealed class CompletionRun
{
    // Of a line, at whose tokens nobody looks but its checkpoint, seconds apart.
    private const int UpdatesAtOnce = 16;

    private readonly TextGeneration _texts;
    private int _cached;

    /// <summary>Throws <see cref="InvalidJobException"/> when this model cannot do it.</summary>
    /// <param name="id">Seeds it where the request does not.</param>
    /// <param name="request">What is asked for.</param>
    /// <param name="priority">In the engine.</param>
    /// <param name="engine">Writes it.</param>
    /// <param name="generator">Prepares it.</param>
    /// <param name="from">Where an earlier run of it stood.</param>
    public CompletionRun(string id, JobRequest request, int priority, LlmEngine engine, JobGenerator generator, RunCheckpoint? from = null)
    {
        Engine = engine;
        Generation = generator.Prepare(id, request, request.Parameters.Seed ?? SeedOf(id), priority, engine) with
        {
            UpdatesAtOnce = priority == GenerationRequest.Urgent ? 1 : UpdatesAtOnce,
        };
        Prefix = Generation.Sampling.Echo ? request.Prompt! : "";
        _texts = new TextGeneration(engine, Generation, request.Operation, Prefix, from);
    }

    public LlmEngine Engine { get; }

    public GenerationRequest Generation { get; }

    /// <summary>What each text begins with: the prompt, where echo asks for it.</summary>
    public string Prefix { get; }

    /// <summary>So far, of all choices.</summary>
    public int CompletionTokens => _texts.CompletionTokens;

    /// <summary>How far it is, to be gone on from.</summary>
    public RunCheckpoint Take() => _texts.Take();

    /// <summary>All choices; null when it was stopped.</summary>
    /// <param name="update">Told of each piece of each choice, from several threads.</param>
    /// <param name="stop">Ends it.</param>
    public async Task<GeneratedTexts?> RunAsync(Action<int, GenerationUpdate>? update, CancellationToken stop)
    {
        var choices = await JobGenerator.RunAsync(
            _texts,
            (index, piece) =>
            {
                _cached = index == 0 ? Math.Max(_cached, piece.CachedTokens) : _cached;
                update?.Invoke(index, piece);
            },
            stop);
        return choices.Any(JobGenerator.IsCut)
            ? stop.IsCancellationRequested ? null : throw new InvalidOperationException($"the engine cancelled request {Generation.Id} unasked")
            : new GeneratedTexts(
                choices, CompletionLogprobs.PromptOf(Generation, _texts.PromptLogprobs, Engine.Tokenizer), Generation.PromptTokenIds.Count, _cached,
                CompletionTokens, Engine.Model.Name, Engine.Model.Identity);
    }

    // Follows from the id, so that a line run again gives the same text; at most 53 bits, as readers of JSON know only doubles.
    private static ulong SeedOf(string id) => Convert.ToUInt64(id[..16], 16) >> 11;
}
