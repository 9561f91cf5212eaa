using Batch.Inference.Engine;
using Batch.Inference.Weights;
using Batch.Jobs.ModelFiles;
using Batch.Jobs.Requests;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Batch.Jobs;

/// <summary>How an engine comes from its options, telling how far it is; tests script one.</summary>
public delegate LlmEngine EngineLoader(EngineOptions options, IProgress<LoadProgress> progress);

/// <summary>
/// Owns the engines, one for each configured model. Loads them one after the other in the background after start, the default model first, since the
/// Functions host gives a worker ten seconds to initialise; jobs wait for theirs. A model that does not load keeps no other from loading and is tried
/// again every half minute while its jobs keep waiting: a model share that is mounted late, or a setting to be corrected, costs no job.
/// </summary>
public sealed partial class EngineHost : BackgroundService, IAsyncDisposable
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(30);

    private readonly EngineLoader _load;
    private readonly TimeProvider _time;
    private readonly ILogger<EngineHost> _logger;
    private readonly List<ServedModel> _models;
    private readonly BlobModel? _blobs;

    public EngineHost(
        EngineLoader load, IOptions<EngineOptions> options, IOptions<ModelsOptions> others, TimeProvider time, ILogger<EngineHost> logger, BlobModel? blobs = null)
    {
        (_load, _time, _logger, _blobs, StartedAt) = (load, time, logger, blobs, time.GetUtcNow());
        _models =
        [
            new ServedModel(NameOf(options.Value), options.Value),
            .. others.Value.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => new ServedModel(m.Key, Named(m.Value, m.Key))),
        ];
    }

    /// <summary>All that are configured, the default model first.</summary>
    public IReadOnlyList<ServedModel> Models => _models;

    public DateTimeOffset StartedAt { get; }

    /// <summary>The default model's name, which a job that names none means.</summary>
    public string ModelName => _models[0].Name;

    /// <summary>Null when jobs can run on at least one model; otherwise why the default model cannot yet.</summary>
    public string? NotReadyReason => _models.Exists(m => m.NotReadyReason is null) ? null : _models[0].NotReadyReason;

    /// <summary>Why the last attempt to load the default model failed; null before the first and after a success.</summary>
    public string? LoadFailure => _models[0].LoadFailure;

    /// <summary>The default model's engine, once it is loaded.</summary>
    public Task<LlmEngine> GetAsync(CancellationToken cancellationToken) => GetAsync(null, cancellationToken);

    /// <summary>The engine of the model of that name, or of the default model, once it is loaded.</summary>
    /// <exception cref="InvalidJobException">No such model is configured.</exception>
    public Task<LlmEngine> GetAsync(string? model, CancellationToken cancellationToken) => Find(model).Engine.WaitAsync(cancellationToken);

    /// <summary>The model of that name; the default model for null.</summary>
    /// <exception cref="InvalidJobException">No such model is configured.</exception>
    public ServedModel Find(string? model) => model is null ? _models[0] : _models.Find(m => m.Name == model)
        ?? throw new InvalidJobException(
            JobErrorCode.ModelNotFound,
            _models.Count == 1
                ? $"model {JsonField.Quote(model)} is not served here; ask for '{ModelName}' or leave model out"
                : $"model {JsonField.Quote(model)} is not served here; ask for one of {string.Join(", ", _models.Select(m => $"'{m.Name}'"))}, or leave model out for the first",
            "model");

    public async ValueTask DisposeAsync()
    {
        foreach (var model in _models.Where(m => m.Engine.IsCompletedSuccessfully))
        {
            await (await model.Engine).DisposeAsync();
        }

        Dispose();
    }

    internal static string NameOf(EngineOptions options) =>
        options.ModelName ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(options.ModelPath));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (_models.Exists(m => !m.Engine.IsCompleted))
        {
            foreach (var model in _models.Where(m => !m.Engine.IsCompleted))
            {
                await TryLoadAsync(model, stoppingToken);
            }

            if (_models.Exists(m => !m.Engine.IsCompleted))
            {
                await Task.Delay(RetryDelay, _time, stoppingToken);
            }
        }
    }

    private async Task TryLoadAsync(ServedModel model, CancellationToken stoppingToken)
    {
        try
        {
            var started = _time.GetTimestamp();
            model.Loading(default);
            var options = _blobs is null ? model.Options : await _blobs.FetchAsync(model.Options, new Report(model.Fetching), stoppingToken);
            model.Folder = options.ModelPath;
            var engine = await Task.Run(() => _load(options, new Report(model.Loading)), stoppingToken);
            model.Loaded(engine);
            LogLoaded(model.Name, engine.Model.Device, engine.Model.DType, _time.GetElapsedTime(started).TotalSeconds);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            model.Failed(e);
            LogLoadFailed(e, model.Options.ModelPath, RetryDelay.TotalSeconds);
        }
    }

    private static EngineOptions Named(EngineOptions options, string name)
    {
        options.ModelName = name;
        return options;
    }

    // Unlike Progress<T>, in order and on the thread that reports.
    private sealed class Report(Action<LoadProgress> tell) : IProgress<LoadProgress>
    {
        void IProgress<LoadProgress>.Report(LoadProgress value) => tell(value);
    }

    [LoggerMessage(LogLevel.Information, "Model {Model} is loaded on {Device} as {DType} after {Seconds:F1} s")]
    private partial void LogLoaded(string model, string device, string dType, double seconds);

    [LoggerMessage(LogLevel.Error, "The model at {Path} did not load; next try in {Seconds} s")]
    private partial void LogLoadFailed(Exception exception, string path, double seconds);
}
