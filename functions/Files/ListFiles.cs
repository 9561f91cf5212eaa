using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Files;
using Batch.Jobs.Requests;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Files;

/// <summary>The tenant's files: <c>?limit=1..10000</c> (10,000), <c>?after=id</c>, <c>?order=desc|asc</c> by creation, <c>?purpose</c>.</summary>
public sealed class ListFiles(ApiGate gate, FileStore files)
{
    [Function(nameof(ListFiles))]
    [Operation("The tenant's files", ApiScopes.Read, Query = [QueryParameters.FileLimit, QueryParameters.After, QueryParameters.Order, QueryParameters.Purpose], Answers = typeof(Page<FileView>))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/files")] HttpRequest request, CancellationToken cancellationToken) =>
        gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller => Api.Json(await files.ListAsync(
                caller.Tenant,
                ApiRequest.Query(request, "purpose"),
                IsAscending(ApiRequest.Query(request, "order")),
                ApiRequest.After(request),
                ApiRequest.Limit(request, standard: 10_000, most: 10_000),
                cancellationToken)),
            cancellationToken);

    private static bool IsAscending(string? order) => order switch
    {
        null or "desc" => false,
        "asc" => true,
        _ => throw new InvalidJobException(JobErrorCode.InvalidRequest, "order must be asc or desc", "order"),
    };
}
