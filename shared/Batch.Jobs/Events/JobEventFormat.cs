using System.Text.Json;
using Batch.Jobs.Storage;
using CloudNative.CloudEvents;
using CloudNative.CloudEvents.SystemTextJson;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Events;

/// <summary>
/// The CloudEvent 1.0 of a finished job, in structured mode. Everything in it follows from the job's row, so it can be sent again byte for
/// byte.
/// </summary>
public sealed class JobEventFormat(JobStore store, IOptions<JobsOptions> options)
{
    public const string ContentType = "application/cloudevents+json";

    /// <summary>CloudEvents' extension for distributed tracing; left out where it is null.</summary>
    internal const string Traceparent = "traceparent";

    private static readonly JsonEventFormatter Formatter = new(JobJson.Options, default);

    public ReadOnlyMemory<byte> Encode(Job job)
    {
        var cloudEvent = new CloudEvent(CloudEventsSpecVersion.V1_0)
        {
            [Traceparent] = job.Traceparent,
            Id = job.EventId,
            Source = new Uri(options.Value.EventSource, UriKind.RelativeOrAbsolute),
            Type = $"batch.job.{JsonNamingPolicy.SnakeCaseLower.ConvertName(job.State.ToString())}",
            Subject = job.Id,
            Time = job.FinishedAt,
            DataContentType = "application/json",
            Data = new JobEventData(
                job.Id,
                job.Tenant,
                job.State,
                job.FinishReason,
                job.HasResult ? new Usage(job.PromptTokens, job.CompletionTokens) : null,
                job.HasResult ? store.ResultAddress(job).AbsoluteUri : null,
                job.ErrorCode is null ? null : new JobViewError(job.ErrorCode, job.ErrorMessage ?? "", job.ErrorParam),
                job.Metadata is null ? null : JsonSerializer.Deserialize<SortedDictionary<string, string>>(job.Metadata)),
        };
        return Formatter.EncodeStructuredModeMessage(cloudEvent, out _);
    }
}

internal sealed record JobEventData(
    string JobId,
    string Tenant,
    JobState Status,
    string? FinishReason,
    Usage? Usage,
    string? ResultUrl,
    JobViewError? Error,
    IReadOnlyDictionary<string, string>? Metadata);
