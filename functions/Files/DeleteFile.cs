using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Files;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Files;

/// <summary>Deletes a file. A batch that was validated goes on: it works from a copy.</summary>
public sealed class DeleteFile(ApiGate gate, FileStore files)
{
    [Function(nameof(DeleteFile))]
    [Operation("Deletes a file", ApiScopes.Submit, Answers = typeof(Deleted))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "delete", Route = "v1/files/{id}")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                if (await files.FindAsync(caller.Tenant, id, cancellationToken) is not { } file)
                {
                    return Api.FileNotFound(id);
                }

                await files.DeleteAsync(file, cancellationToken);
                return Api.Json(new Deleted(id, "file"));
            },
            cancellationToken);
}
