using System.Text.Json;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Events;

/// <summary>What the event of a finished job says.</summary>
internal sealed record JobEventData(
    string JobId,
    string Tenant,
    JobState Status,
    string? FinishReason,
    Usage? Usage,
    string? ResultUrl,
    JobViewError? Error,
    IReadOnlyDictionary<string, string>? Metadata)
{
    public static TenantEvent EventOf(Job job, JobStore store) => new(
        job.EventId,
        EventType.Of(job.State),
        job.Tenant,
        job.Id,
        job.FinishedAt.GetValueOrDefault(),
        new JobEventData(
            job.Id,
            job.Tenant,
            job.State,
            job.FinishReason,
            job.HasResult ? new Usage(job.PromptTokens, job.CompletionTokens) : null,
            job.HasResult ? store.ResultAddress(job).AbsoluteUri : null,
            job.ErrorCode is null ? null : new JobViewError(job.ErrorCode, job.ErrorMessage ?? "", job.ErrorParam),
            job.Metadata is null ? null : JsonSerializer.Deserialize<SortedDictionary<string, string>>(job.Metadata)))
    {
        Traceparent = job.Traceparent,
    };
}
