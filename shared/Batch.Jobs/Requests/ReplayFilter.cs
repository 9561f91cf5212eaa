using Batch.Jobs.Access;

namespace Batch.Jobs.Requests;

/// <summary>Which failed jobs are to run again.</summary>
/// <param name="Tenant">Whose: over HTTP the caller's, and none else's.</param>
/// <param name="Code">Only those that failed with this code.</param>
/// <param name="Since">Only those submitted from then on.</param>
/// <param name="Limit">So many at most, 1 to 1,000.</param>
/// <param name="After">Those older than this job.</param>
public sealed record ReplayFilter(string Tenant, string? Code = null, DateTimeOffset? Since = null, int Limit = 100, string? After = null)
{
    private const int MostJobs = 1000;

    /// <summary>From JSON; an empty body is every failed job of the caller's.</summary>
    public static ReplayFilter Parse(ReadOnlyMemory<byte> body, Caller caller)
    {
        var filter = new ReplayFilter(caller.Tenant);
        if (body.Length == 0)
        {
            return filter;
        }

        using var document = JobRequestParser.ReadJson(body);
        foreach (var field in JsonField.Fields(document.RootElement))
        {
            filter = field.Name switch
            {
                "code" => filter with { Code = JsonField.Name(field) },
                "since" => filter with { Since = JsonField.Time(field) },
                "after" => filter with { After = JsonField.Name(field) },
                "limit" => filter with { Limit = JsonField.Integer(field) is >= 1 and <= MostJobs and var limit ? limit : throw JsonField.Wrong(field, $"an integer from 1 to {MostJobs}") },
                _ => throw JsonField.Unknown(field),
            };
        }

        return filter;
    }
}

/// <summary>The jobs that run again, newest first, and, where the limit came first, the job after which to go on.</summary>
/// <param name="Replayed">Their ids.</param>
/// <param name="HasMore">The limit came first.</param>
/// <param name="After">Where to go on, then.</param>
public sealed record ReplayedJobs(IReadOnlyList<string> Replayed, bool HasMore, string? After);
