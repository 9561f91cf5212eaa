using Batch.Jobs.Requests;

namespace Batch.Jobs.Webhooks;

/// <summary><c>{since, after}</c> of <c>replay_failed</c>, each with a default: everything that is in the log.</summary>
/// <param name="Since">Only deliveries of events from then on.</param>
/// <param name="After">Only deliveries older than this one.</param>
public sealed record ReplayRequest(DateTimeOffset Since, string? After)
{
    public static ReplayRequest Parse(ReadOnlyMemory<byte> body)
    {
        var everything = new ReplayRequest(DateTimeOffset.MinValue, null);
        if (body.Length == 0)
        {
            return everything;
        }

        using var json = JobRequestParser.ReadJson(body);
        return JsonField.Fields(json.RootElement).Aggregate(everything, (made, field) => field.Name switch
        {
            "since" => made with { Since = JsonField.Time(field) },
            "after" => made with { After = JsonField.Name(field) },
            _ => throw JsonField.Unknown(field),
        });
    }
}
