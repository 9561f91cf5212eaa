using System.Diagnostics.Metrics;
using System.Text.Json;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;

namespace Batch.Jobs;

/// <summary>The numbers of jobs that ended, and of webhook requests.</summary>
public sealed class JobMetrics
{
    private readonly Counter<long> _finished;
    private readonly Counter<long> _attempts;
    private readonly Counter<long> _preemptions;
    private readonly Counter<long> _webhooks;
    private readonly Counter<long> _removed;
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _queued;

    public JobMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MetricNames.Meter);
        _finished = meter.CreateCounter<long>(MetricNames.JobsFinished, "{job}", "Jobs that reached a terminal state, by state.");
        _attempts = meter.CreateCounter<long>(MetricNames.JobAttempts, "{run}", "Runs of jobs that ended, those that shutdowns ended left out.");
        _preemptions = meter.CreateCounter<long>(
            MetricNames.JobPreemptions, "{run}", "Runs that shutdowns ended, of jobs that then finished.");
        _webhooks = meter.CreateCounter<long>(MetricNames.WebhookDeliveries, "{request}", "Webhook requests, by outcome.");
        _removed = meter.CreateCounter<long>(MetricNames.Removed, "{item}", "Things removed at the end of their time, by kind.");
        _duration = meter.CreateHistogram<double>(MetricNames.JobDuration, "s", "From submission to the terminal state.");
        _queued = meter.CreateHistogram<double>(MetricNames.JobQueued, "s", "From submission to the first run.");
    }

    public void Finished(Job job)
    {
        var state = new KeyValuePair<string, object?>("state", JsonNamingPolicy.SnakeCaseLower.ConvertName(job.State.ToString()));
        _finished.Add(1, state);
        _attempts.Add(job.Attempts);
        _preemptions.Add(job.Preemptions);
        _duration.Record((job.FinishedAt - job.CreatedAt)?.TotalSeconds ?? 0, state);
        if (job.StartedAt is { } started)
        {
            _queued.Record((started - job.CreatedAt).TotalSeconds);
        }
    }

    public void Removed(string kind, int count) => _removed.Add(count, new KeyValuePair<string, object?>("kind", kind));

    public void WebhookAttempted(string outcome) => _webhooks.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
}
