using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Files;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Files;

/// <summary>A file's bytes; of a batch's output, the lines that are finished.</summary>
public sealed class GetFileContent(ApiGate gate, FileStore files)
{
    [Function(nameof(GetFileContent))]
    [Operation("A file's bytes", ApiScopes.Read, MediaType = "application/jsonl")]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/files/{id}/content")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller => await files.FindAsync(caller.Tenant, id, cancellationToken) is { } file
                ? Results.Stream(await files.OpenAsync(file, cancellationToken), "application/jsonl", file.Filename)
                : Api.FileNotFound(id),
            cancellationToken);
}
