using System.Runtime.CompilerServices;
using Batch.Inference.Tokenizers;
using Batch.Inference.Weights;
using Microsoft.Extensions.Logging;

namespace Batch.Inference.Engine;

/// <summary>
/// One model on several devices: an engine on each, with weights and cache of its own. A request goes to the engine that has the fewest tokens ahead of it.
/// Its text does not depend on which that is, where the devices are alike.
/// </summary>
internal sealed class EngineReplicas : LlmEngine
{
    private readonly IReadOnlyList<LlmEngine> _engines;
    private readonly long[] _tokens; // promised by each engine
    private readonly Lock _lock = new();

    public EngineReplicas(IReadOnlyList<LlmEngine> engines)
    {
        (_engines, _tokens) = (engines, new long[engines.Count]);
        Model = engines[0].Model with { Device = string.Join(",", engines.Select(e => e.Model.Device)), ContextLength = engines.Min(e => e.Model.ContextLength) };
    }

    public override ModelInfo Model { get; }

    public override long DrawnTokens => _engines.Sum(engine => engine.DrawnTokens);

    public override HfTokenizer Tokenizer => _engines[0].Tokenizer;

    public override EngineUse Use => _engines.Aggregate(default(EngineUse), (sum, engine) => sum + engine.Use);

    /// <summary>Loads one engine after the other. When one does not load, none stays.</summary>
    public static EngineReplicas Load(EngineOptions options, IReadOnlyList<string> devices, ILogger<LlmEngine>? logger, IProgress<LoadProgress>? progress)
    {
        var models = new List<LoadedModel>();
        try
        {
            foreach (var device in devices)
            {
                models.Add(ModelLoader.Load(options.On(device), progress: progress is null ? null : new Share(progress, models.Count, devices.Count)));
            }
        }
        catch
        {
            models.ForEach(m => m.Runner.Dispose());
            throw;
        }
        return new EngineReplicas([.. models.Select(m => new LlmEngine(m, options, logger))]);
    }

    public override async IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var tokens = request.PromptTokenIds.Count + (request.Sampling.MaxTokens ?? Model.ContextLength);
        var at = Choose(tokens);
        try
        {
            await foreach (var update in _engines[at].GenerateAsync(request, cancellationToken))
            {
                yield return update;
            }
        }
        finally
        {
            Done(at, tokens);
        }
    }

    /// <summary>On one engine, whose prefix cache the beams share.</summary>
    public override async Task<IReadOnlyList<GenerationUpdate>> SearchAsync(GenerationRequest request, Action<int>? progress, CancellationToken cancellationToken = default)
    {
        var tokens = request.PromptTokenIds.Count + (request.Sampling.MaxTokens ?? Model.ContextLength);
        var at = Choose(tokens);
        try
        {
            return await _engines[at].SearchAsync(request, progress, cancellationToken);
        }
        finally
        {
            Done(at, tokens);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        foreach (var engine in _engines)
        {
            await engine.DisposeAsync();
        }
        await base.DisposeAsync();
    }

    private int Choose(int tokens)
    {
        lock (_lock)
        {
            var at = Array.IndexOf(_tokens, _tokens.Min());
            _tokens[at] += tokens;
            return at;
        }
    }

    private void Done(int at, int tokens)
    {
        lock (_lock)
        {
            _tokens[at] -= tokens;
        }
    }

    // One engine's part of the loading of all.
    private sealed class Share(IProgress<LoadProgress> whole, int before, int count) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => whole.Report(new LoadProgress(before * value.BytesTotal + value.BytesDone, count * value.BytesTotal));
    }
}
