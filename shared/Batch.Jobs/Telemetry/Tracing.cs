using System.Diagnostics;

namespace Batch.Jobs.Telemetry;

/// <summary>
/// Spans of the source <see cref="MetricNames.Meter"/>. A job's trace is the one of its submission: its context is in its row, in its messages and in its event,
/// so that whatever runs it, however much later and wherever, goes on with it.
/// </summary>
public static class Tracing
{
    private static readonly ActivitySource Source = new(MetricNames.Meter);

    /// <summary>The W3C context of what runs now, also where nobody records it; null where there is none.</summary>
    public static string? Current => Activity.Current is { IdFormat: ActivityIdFormat.W3C } activity ? activity.Id : null;

    /// <summary>
    /// A span of the trace that <paramref name="traceparent"/> is of: below the current span where that is of the same trace, else below
    /// the one named and linked to the current one. Null where nobody listens.
    /// </summary>
    internal static Activity? Start(string name, ActivityKind kind, string? traceparent, params ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        var current = Activity.Current?.Context ?? default;
        var (parent, links) = ActivityContext.TryParse(traceparent, null, isRemote: true, out var named) && named.TraceId != current.TraceId
            ? (named, current == default ? null : new[] { new ActivityLink(current) })
            : (current, null);
        return Source.StartActivity(kind, parent, tags.ToArray(), links, name: name);
    }

    internal static void Fail(this Activity? span, Exception error) =>
        span?.SetTag("error.type", error.GetType().FullName).SetStatus(ActivityStatusCode.Error, error.Message);
}
