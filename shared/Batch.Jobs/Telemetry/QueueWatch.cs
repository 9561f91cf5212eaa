using System.Diagnostics.Metrics;
using Azure;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs.Telemetry;

/// <summary>
/// Looks at the queues every half minute: how long they are, how long their first message waits, whether messages lie in poison queues. So it also
/// knows whether storage can be reached. What it saw last are the gauges and a part of readiness.
/// </summary>
public sealed partial class QueueWatch : BackgroundService
{
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(30);

    // A look that takes longer has failed: the client's own retries go on for longer than a probe waits.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    private readonly QueueServiceClient _queues;
    private readonly TimeProvider _time;
    private readonly ILogger<QueueWatch> _logger;
    private readonly SemaphoreSlim _one = new(1, 1);
    private volatile QueueSample? _last;

    public QueueWatch(StorageClients clients, IMeterFactory meters, TimeProvider time, ILogger<QueueWatch> logger)
    {
        (_queues, _time, _logger) = (clients.Queues, time, logger);
        var meter = meters.Create(MetricNames.Meter);
        meter.CreateObservableGauge(
            MetricNames.QueueBacklog, () => Of(queue => !queue.IsPoison, queue => queue.Messages), "{message}", "Messages on a queue, those in work among them, nearly.");
        meter.CreateObservableGauge(
            MetricNames.QueueOldestAge, () => Of(queue => !queue.IsPoison, queue => queue.OldestAge.TotalSeconds), "s", "How long the first message of a queue has waited to be taken.");
        meter.CreateObservableGauge(
            MetricNames.PoisonMessages, () => Of(queue => queue.IsPoison, queue => queue.Messages), "{message}", "Messages that were given up and wait for somebody.");
    }

    /// <summary>What was seen last; null before the first look has ended.</summary>
    public QueueSample? Last => _last;

    /// <summary>What was seen at most <paramref name="age"/> ago, if need be by looking now.</summary>
    public async Task<QueueSample> LookAsync(TimeSpan age, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            return _last is { } last && _time.GetUtcNow() - last.At <= age ? last : _last = await LookAsync(cancellationToken);
        }
        finally
        {
            _one.Release();
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            await LookAsync(Period / 2, stoppingToken);
            await Task.Delay(Period, _time, stoppingToken);
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        _one.Dispose();
    }

    private async Task<QueueSample> LookAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            var names = new List<string>();
            await foreach (var queue in _queues.GetQueuesAsync(prefix: "batch-", cancellationToken: patience.Token))
            {
                names.Add(queue.Name);
            }

            var queues = await Task.WhenAll(names.Select(name => LookAtAsync(name, patience.Token)));
            return new QueueSample(_time.GetUtcNow(), queues, null);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            LogUnreachable(e);
            var failure = e is OperationCanceledException ? $"no answer within {Patience.TotalSeconds} s" : e.Message.Split('\n')[0].TrimEnd();
            return new QueueSample(_time.GetUtcNow(), [], failure);
        }
    }

    private async Task<QueueState> LookAtAsync(string name, CancellationToken cancellationToken)
    {
        var queue = _queues.GetQueueClient(name);
        try
        {
            var messages = (await queue.GetPropertiesAsync(cancellationToken)).Value.ApproximateMessagesCount;
            PeekedMessage? first = messages == 0 ? null : (await queue.PeekMessageAsync(cancellationToken)).Value;
            var age = first?.InsertedOn is { } inserted ? _time.GetUtcNow() - inserted : TimeSpan.Zero;
            return new QueueState(name, messages, age < TimeSpan.Zero ? TimeSpan.Zero : age);
        }
        catch (RequestFailedException e) when (e.ErrorCode == QueueErrorCode.QueueNotFound)
        {
            return new QueueState(name, 0, TimeSpan.Zero);
        }
    }

    private IEnumerable<Measurement<T>> Of<T>(Func<QueueState, bool> which, Func<QueueState, T> value)
        where T : struct => (_last?.Queues ?? []).Where(which).Select(queue => new Measurement<T>(value(queue), Telemetry.Messages.On(queue.Name)));

    [LoggerMessage(LogLevel.Warning, "The storage account's queues cannot be looked at")]
    private partial void LogUnreachable(Exception exception);
}

/// <summary>One look at all queues; where it failed, why.</summary>
public sealed record QueueSample(DateTimeOffset At, IReadOnlyList<QueueState> Queues, string? Failure)
{
    public IEnumerable<QueueState> Poisoned => Queues.Where(queue => queue is { IsPoison: true, Messages: > 0 });
}

/// <summary>A queue; of those who wait, since when the first does.</summary>
public sealed record QueueState(string Name, int Messages, TimeSpan OldestAge)
{
    /// <summary>What lies there was given up; nothing takes it by itself for long.</summary>
    public bool IsPoison => Name.EndsWith("-poison", StringComparison.Ordinal) || Name == JobQueues.FailedJobs;
}
