using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Batches;

/// <summary>Makes a batch of an uploaded file, or of a blob. The same Idempotency-Key with the same request gives the same batch.</summary>
public sealed class CreateBatch(ApiGate gate, BatchIntake intake, BatchReader batches)
{
    private const int LargestBody = 64 * 1024;

    [Function(nameof(CreateBatch))]
    [Operation("Makes a batch of a file or a blob", ApiScopes.Submit, Makes = true, Takes = RequestSchemas.Batch, Answers = typeof(BatchView), Refuses = [404])]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/batches")] HttpRequest request,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Submit,
            async caller =>
            {
                var asked = BatchRequest.Parse(await ApiRequest.ReadBodyAsync(request, LargestBody, cancellationToken));
                var row = await intake.CreateAsync(asked, ApiRequest.IdempotencyKey(request), caller, cancellationToken);
                return Api.JsonWithNulls(batches.View(row));
            },
            cancellationToken);
}
