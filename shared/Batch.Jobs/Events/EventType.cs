using System.Text.Json;
using Batch.Jobs.Batches;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Events;

/// <summary>The types of all events.</summary>
public static class EventType
{
    public const string EndpointDisabled = "batch.webhook_endpoint.disabled";

    public static IReadOnlyList<string> All { get; } =
    [
        Of(BatchState.Completed), Of(BatchState.Failed), Of(BatchState.Expired), Of(BatchState.Cancelled),
        Of(JobState.Succeeded), Of(JobState.Failed), Of(JobState.Cancelled), Of(JobState.Expired),
        EndpointDisabled,
    ];

    public static string Of(JobState state) => $"batch.job.{JsonNamingPolicy.SnakeCaseLower.ConvertName(state.ToString())}";

    public static string Of(BatchState state) => $"batch.{BatchRow.NameOf(state)}";
}
