using Batch.Inference.Engine;
using Batch.Inference.Weights;
using Batch.Jobs.Batches;

namespace Batch.Jobs;

/// <summary>A model that is configured: on its way, loaded, or why not.</summary>
public sealed class ServedModel
{
    private readonly TaskCompletionSource<LlmEngine> _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile string? _notReadyReason = "the model is loading";
    private volatile string? _loadFailure;

    internal ServedModel(string name, EngineOptions options) => (Name, Options, Folder) = (name, options, options.ModelPath);

    /// <summary>The name that jobs ask for.</summary>
    public string Name { get; }

    public EngineOptions Options { get; }

    /// <summary>Where it lies on this machine; of a model in blobs once it has been fetched.</summary>
    public string Folder { get; internal set; }

    /// <summary>Null when jobs can run on it; otherwise why not yet.</summary>
    public string? NotReadyReason => _notReadyReason;

    /// <summary>Why the last attempt to load failed; null before the first and after a success.</summary>
    public string? LoadFailure => _loadFailure;

    /// <summary>The engine, once it is loaded.</summary>
    public Task<LlmEngine> Engine => _loaded.Task;

    /// <summary>The engine if it is loaded.</summary>
    internal LlmEngine? LoadedEngine { get; private set; }

    /// <summary>For lines of batches.</summary>
    internal LineSeats Seats { get; } = new();

    internal void Loading(LoadProgress progress) =>
        _notReadyReason = _loadFailure ?? (progress.BytesTotal == 0 ? "the model is loading" : $"the model is loading: {progress.Percent} %");

    internal void Fetching(LoadProgress progress) => _notReadyReason = _loadFailure ?? $"the model is being fetched: {progress.Percent} % of {progress.BytesTotal >> 20} MiB";

    internal void Failed(Exception error) => _notReadyReason = _loadFailure = $"the model at '{Options.ModelPath}' did not load: {error.Message}";

    internal void Loaded(LlmEngine engine)
    {
        _notReadyReason = _loadFailure = null;
        LoadedEngine = engine;
        _loaded.SetResult(engine);
    }
}
