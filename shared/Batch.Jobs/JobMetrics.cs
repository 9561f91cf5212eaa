using System.Diagnostics.Metrics;
using System.Text.Json;
using Batch.Jobs.Storage;

namespace Batch.Jobs;

/// <summary>The numbers of meter <c>Batch.Jobs</c>. Labels have few values: never an id, never a tenant.</summary>
public sealed class JobMetrics
{
    public const string MeterName = "Batch.Jobs";

    private readonly Counter<long> _finished;
    private readonly Counter<long> _tokens;
    private readonly Counter<long> _preemptions;
    private readonly Counter<long> _webhooks;
    private readonly Counter<long> _removed;
    private readonly Histogram<double> _duration;
    private readonly Histogram<double> _queued;

    public JobMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        _finished = meter.CreateCounter<long>("batch.jobs.finished", "{job}", "Jobs that reached a terminal state, by state.");
        _tokens = meter.CreateCounter<long>("batch.jobs.tokens", "{token}", "Tokens of finished jobs, by direction.");
        _preemptions = meter.CreateCounter<long>(
            "batch.jobs.preemptions", "{run}", "Runs that shutdowns ended, of jobs that then finished.");
        _webhooks = meter.CreateCounter<long>("batch.webhooks.attempts", "{request}", "Webhook requests, by outcome.");
        _removed = meter.CreateCounter<long>("batch.retention.removed", "{item}", "Things removed at the end of their time, by kind.");
        _duration = meter.CreateHistogram<double>("batch.jobs.duration", "s", "From submission to the terminal state.");
        _queued = meter.CreateHistogram<double>("batch.jobs.queued", "s", "From submission to the first run.");
    }

    public void Finished(Job job)
    {
        var state = new KeyValuePair<string, object?>("state", JsonNamingPolicy.SnakeCaseLower.ConvertName(job.State.ToString()));
        _finished.Add(1, state);
        _tokens.Add(job.PromptTokens, new KeyValuePair<string, object?>("direction", "prompt"));
        _tokens.Add(job.CompletionTokens, new KeyValuePair<string, object?>("direction", "completion"));
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
