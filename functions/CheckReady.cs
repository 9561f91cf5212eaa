using Batch.Jobs;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>Whether jobs can run: 503 with the reason while the model loads, or when it does not load.</summary>
public sealed class CheckReady(EngineHost engines)
{
    [Function(nameof(CheckReady))]
    public IResult Run([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "health/ready")] HttpRequest request) =>
        engines.NotReadyReason is { } reason
        ? Api.Json(new { Status = "not_ready", Reason = reason }, StatusCodes.Status503ServiceUnavailable)
        : Api.Json(new { Status = "ready", Model = engines.ModelName });
}
