using Batch.Jobs.Access;
using Batch.Jobs.Files;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Files;

/// <summary>What is known of a file.</summary>
public sealed class GetFile(ApiGate gate, FileStore files)
{
    [Function(nameof(GetFile))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/files/{id}")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller => await files.FindAsync(caller.Tenant, id, cancellationToken) is { } file
                ? Api.Json(await files.ViewAsync(file, cancellationToken))
                : Api.FileNotFound(id),
            cancellationToken);
}
