using System.Globalization;
using Batch.Jobs;
using Batch.Jobs.Requests;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>Jobs, newest first, without their texts: <c>?limit=1..100</c> (20) from the one after <c>?after=id</c>.</summary>
public sealed class ListJobs(JobReader jobs)
{
    private const int DefaultLimit = 20;

    [Function(nameof(ListJobs))]
    public async Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Function, "get", Route = "v1/jobs")] HttpRequest request, CancellationToken cancellationToken)
    {
        var given = request.Query["limit"].ToString();
        var limit = DefaultLimit;
        if (given.Length > 0 && (!int.TryParse(given, CultureInfo.InvariantCulture, out limit) || limit is < 1 or > 100))
        {
            return Api.Error(new InvalidJobException(JobErrorCode.InvalidRequest, "limit must be an integer from 1 to 100", "limit"));
        }

        var after = request.Query["after"].ToString();
        return await jobs.ListAsync(limit, after.Length == 0 ? null : after, cancellationToken) is { } page
            ? Api.Json(page)
            : Api.Error(new InvalidJobException(JobErrorCode.InvalidRequest, "after must be the id of a job", "after"));
    }
}
