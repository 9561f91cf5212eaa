using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Files;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Files;

/// <summary>Takes a file, up to 200 MB, straight into blob storage. The same Idempotency-Key with the same content gives the same file.</summary>
public sealed class UploadFile(ApiGate gate, FileIntake intake)
{
    [Function(nameof(UploadFile))]
    [Operation("Takes a file of at most 200 MB", ApiScopes.Submit, Makes = true, Takes = RequestSchemas.File, Answers = typeof(FileView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/files")] HttpRequest request, CancellationToken cancellationToken) =>
        gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller => Api.Json(await UploadForm.ReadAsync(request, intake, caller, cancellationToken)),
            cancellationToken);
}
