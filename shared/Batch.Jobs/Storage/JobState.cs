namespace Batch.Jobs.Storage;

/// <summary>
/// Where a job stands. From <see cref="Succeeded"/> on it is finished and never changes again, unless an operator replays it.
/// </summary>
public enum JobState
{
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    Expired,
}

/// <summary>Whether the finished job's event is still to be sent.</summary>
public enum EventState
{
    Pending,
    Published,
}

/// <summary>How the job's webhook stands.</summary>
public enum WebhookState
{
    Pending,
    Delivered,
    Failed,
}
