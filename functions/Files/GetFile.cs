using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Files;
using Batch.Jobs.Storage;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Files;

/// <summary>What is known of a file, with a link to its bytes.</summary>
public sealed class GetFile(ApiGate gate, FileStore files, BlobLinks links)
{
    [Function(nameof(GetFile))]
    [Operation("What is known of a file", ApiScopes.Read, Answers = typeof(FileView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/files/{id}")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller => await files.FindAsync(caller.Tenant, id, cancellationToken) is { } file
                ? Api.Json(await files.ViewAsync(file, cancellationToken) with { DownloadUrl = (await links.ToAsync(files.BlobOf(file), cancellationToken)).AbsoluteUri })
                : Api.FileNotFound(id),
            cancellationToken);
}
