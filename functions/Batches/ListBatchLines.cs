using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Files;
using Batch.Jobs.Requests;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Batches;

/// <summary>A batch's lines of one status, <c>?status=running</c> unless told otherwise, in the order of the input: <c>?limit=1..100</c> (20) from the one after <c>?after=custom_id</c>.</summary>
public sealed class ListBatchLines(ApiGate gate, BatchLineReader lines)
{
    [Function(nameof(ListBatchLines))]
    [Operation("The lines of a batch of one status, with their texts so far", ApiScopes.Read, Query = [QueryParameters.LineStatus, QueryParameters.Limit, QueryParameters.AfterLine], Answers = typeof(Page<BatchLineView>))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/batches/{id}/lines")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller => await lines.ListAsync(caller.Tenant, id, Status(request), ApiRequest.Query(request, "after"), ApiRequest.Limit(request, standard: 20, most: 100), cancellationToken) is { } page
                ? Api.JsonWithNulls(page)
                : Api.BatchNotFound(id),
            cancellationToken);

    private static LineStatus Status(HttpRequest request) => ApiRequest.Query(request, "status") switch
    {
        null or "running" => LineStatus.Running,
        "waiting" => LineStatus.Waiting,
        "queued" => LineStatus.Queued,
        "ended" => LineStatus.Ended,
        _ => throw new InvalidJobException(JobErrorCode.InvalidRequest, "status must be waiting, queued, running or ended", "status"),
    };
}
