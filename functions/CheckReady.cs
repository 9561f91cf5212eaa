using Batch.Jobs;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>Whether jobs can run: 503 with the reason while no model is loaded; then 200, and of each model whether it is.</summary>
public sealed class CheckReady(EngineHost engines)
{
    [Function(nameof(CheckReady))]
    public IResult Run([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "health/ready")] HttpRequest request)
    {
        var models = engines.Models.Select(m => new { Id = m.Name, Status = StatusOf(m.NotReadyReason), Reason = m.NotReadyReason });
        var reason = engines.NotReadyReason;
        var status = reason is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        return Api.Json(new { Status = StatusOf(reason), Reason = reason, Model = engines.ModelName, Models = models }, status);
    }

    private static string StatusOf(string? notReadyReason) => notReadyReason is null ? "ready" : "not_ready";
}
