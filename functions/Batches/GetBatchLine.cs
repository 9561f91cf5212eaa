using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Batches;

/// <summary>One line of a batch: where it stands and, while it runs, its text so far.</summary>
public sealed class GetBatchLine(ApiGate gate, BatchLineReader lines)
{
    [Function(nameof(GetBatchLine))]
    [Operation("A line of a batch, with its text so far", ApiScopes.Read, Answers = typeof(BatchLineView))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/batches/{id}/lines/{*customId}")] HttpRequest request,
        string id,
        string customId,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Read,
            async caller => await lines.FindAsync(caller.Tenant, id, Decoded(customId), cancellationToken) is { } line
                ? Api.JsonWithNulls(line)
                : Api.LineNotFound(id),
            cancellationToken);

    // Of what a path holds, ASP.NET leaves this alone as it came.
    private static string Decoded(string customId) => customId.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase);
}
