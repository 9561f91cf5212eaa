namespace Batch.Jobs.Telemetry;

/// <summary>
/// Everything on the meter <see cref="Meter"/>. Names that OpenTelemetry's semantic conventions have are theirs (messaging.*, gen_ai.*); the others begin
/// with batch. Labels have few values: a queue, a model, a state; never an id, never a tenant.
/// </summary>
public static class MetricNames
{
    /// <summary>The one meter, and the one source of spans.</summary>
    public const string Meter = "Batch";

    // Messages: sent and taken from queues, by messaging.destination.name.
    public const string SentMessages = "messaging.client.sent.messages";
    public const string ConsumedMessages = "messaging.client.consumed.messages";
    public const string ProcessDuration = "messaging.process.duration";

    // Queues, as the storage account says, by messaging.destination.name.
    public const string QueueBacklog = "batch.queue.messages";
    public const string QueueOldestAge = "batch.queue.oldest_age";
    public const string PoisonMessages = "batch.queue.poison_messages";

    // Texts: of jobs, of lines of batches, and of those who wait for them, by gen_ai.request.model.
    public const string TokenUsage = "gen_ai.client.token.usage";
    public const string RequestDuration = "gen_ai.server.request.duration";
    public const string TimeToFirstToken = "gen_ai.server.time_to_first_token";
    public const string TimePerOutputToken = "gen_ai.server.time_per_output_token";

    // The engines, by gen_ai.request.model.
    public const string EngineSequences = "batch.engine.sequences";
    public const string EngineOccupancy = "batch.engine.occupancy";
    public const string EngineTokens = "batch.engine.tokens";
    public const string EnginePreemptions = "batch.engine.preemptions";
    public const string CacheUse = "batch.engine.cache.utilization";

    // Jobs that ended.
    public const string JobsFinished = "batch.jobs.finished";
    public const string JobAttempts = "batch.jobs.attempts";
    public const string JobPreemptions = "batch.jobs.preemptions";
    public const string JobDuration = "batch.jobs.duration";
    public const string JobQueued = "batch.jobs.queued";

    // Webhook requests, by outcome.
    public const string WebhookDeliveries = "batch.webhooks.deliveries";

    // What was kept long enough, by kind.
    public const string Removed = "batch.retention.removed";
}
