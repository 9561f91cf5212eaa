using Batch.Inference.Engine;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Batch.Jobs;

/// <summary>How an engine comes from its options; tests script one.</summary>
public delegate LlmEngine EngineLoader(EngineOptions options);

/// <summary>
/// Owns the engine. Loads it in the background after start, since the Functions host gives a worker ten seconds to initialise; jobs wait
/// for it. A load that fails is tried again every half minute while jobs keep waiting: a model share that is mounted late, or a setting to
/// be corrected, costs no job.
/// </summary>
public sealed partial class EngineHost(
    EngineLoader load, IOptions<EngineOptions> options, TimeProvider time, ILogger<EngineHost> logger) : BackgroundService, IAsyncDisposable
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(30);

    private readonly TaskCompletionSource<LlmEngine> _loaded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Null when jobs can run; otherwise why not yet.</summary>
    public string? NotReadyReason { get; private set; } = "the model is loading";

    /// <summary>Why the last attempt to load failed; null before the first and after a success.</summary>
    public string? LoadFailure { get; private set; }

    /// <summary>The name that jobs ask for.</summary>
    public string ModelName { get; } = NameOf(options.Value);

    public Task<LlmEngine> GetAsync(CancellationToken cancellationToken) => _loaded.Task.WaitAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (_loaded.Task.IsCompletedSuccessfully)
        {
            await (await _loaded.Task).DisposeAsync();
        }

        Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!_loaded.Task.IsCompleted)
        {
            try
            {
                var started = time.GetTimestamp();
                var engine = await Task.Run(() => load(options.Value), stoppingToken);
                NotReadyReason = LoadFailure = null;
                _loaded.SetResult(engine);
                LogLoaded(ModelName, engine.Model.Device, engine.Model.DType, time.GetElapsedTime(started).TotalSeconds);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                NotReadyReason = LoadFailure = $"the model at '{options.Value.ModelPath}' did not load: {e.Message}";
                LogLoadFailed(e, options.Value.ModelPath, RetryDelay.TotalSeconds);
                await Task.Delay(RetryDelay, time, stoppingToken);
            }
        }
    }

    private static string NameOf(EngineOptions options) =>
        options.ModelName ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(options.ModelPath));

    [LoggerMessage(LogLevel.Information, "Model {Model} is loaded on {Device} as {DType} after {Seconds:F1} s")]
    private partial void LogLoaded(string model, string device, string dType, double seconds);

    [LoggerMessage(LogLevel.Error, "The model at {Path} did not load; next try in {Seconds} s")]
    private partial void LogLoadFailed(Exception exception, string path, double seconds);
}
