using System.Text.Json;
using System.Text.Json.Nodes;
using CloudNative.CloudEvents;
using CloudNative.CloudEvents.SystemTextJson;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Events;

/// <summary>An event as JSON in UTF-8: CloudEvents 1.0 in structured mode, or the body that OpenAI sends.</summary>
public sealed class EventFormat(IOptions<JobsOptions> options)
{
    // CloudEvents' extension for distributed tracing; left out where it is null.
    private const string Traceparent = "traceparent";

    private static readonly JsonEventFormatter Formatter = new(JobJson.Options, default);

    /// <summary>
    /// The CloudEvent in at most <paramref name="mostBytes"/>: where the whole is longer, the largest members of its data are left out, and
    /// <c>data.left_out</c> names them; who wants them asks for the object.
    /// </summary>
    public ReadOnlyMemory<byte> CloudEvent(TenantEvent told, int mostBytes)
    {
        var body = CloudEvent(told);
        var leftOut = new JsonArray();
        while (body.Length > mostBytes)
        {
            var data = JsonSerializer.SerializeToNode(told.Data, JobJson.Options)!.AsObject();
            var largest = data.Where(member => member.Key != "left_out").MaxBy(member => member.Value?.ToJsonString(JobJson.Options).Length).Key;
            data.Remove(largest);
            leftOut.Add(largest);
            data["left_out"] = leftOut.DeepClone();
            told = told with { Data = data };
            body = CloudEvent(told);
        }

        return body;
    }

    public static byte[] OpenAI(TenantEvent told) => JsonSerializer.SerializeToUtf8Bytes(
        new
        {
            Id = $"evt_{told.Id}",
            Object = "event",
            told.Type,
            CreatedAt = told.Time.ToUnixTimeSeconds(),
            Data = new { Id = told.Subject },
        },
        JobJson.Options);

    private ReadOnlyMemory<byte> CloudEvent(TenantEvent told) => Formatter.EncodeStructuredModeMessage(
        new CloudEvent(CloudEventsSpecVersion.V1_0)
        {
            [Traceparent] = told.Traceparent,
            Id = told.Id,
            Source = new Uri(options.Value.EventSource, UriKind.RelativeOrAbsolute),
            Type = told.Type,
            Subject = told.Subject,
            Time = told.Time,
            DataContentType = "application/json",
            Data = told.Data,
        },
        out _);
}
