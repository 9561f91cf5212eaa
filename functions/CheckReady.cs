using Batch.Functions.OpenApi;
using Batch.Jobs;
using Batch.Jobs.Telemetry;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>
/// Whether work can be taken: 503 with the reason while no model is loaded, storage is away or the host shuts down; then 200, of each model whether it is
/// loaded, and what is amiss all the same, such as messages in a poison queue.
/// </summary>
public sealed class CheckReady(EngineHost engines, Readiness readiness)
{
    [Function(nameof(CheckReady))]
    [Operation("Whether work can be taken; 503 with the reason until then", Answers = typeof(ReadinessView), OrStatus = 503)]
    public async Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "health/ready")] HttpRequest request, CancellationToken cancellationToken)
    {
        ApiRequest.GiveId(request);
        var report = await readiness.CheckAsync(cancellationToken);
        var models = engines.Models.Select(m => new ModelReadiness(m.Name, StatusOf(m.NotReadyReason), m.NotReadyReason));
        var status = report.Reason is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        return Api.Json(
            new ReadinessView(StatusOf(report.Reason), report.Reason, engines.ModelName, [.. models], report.Storage, report.Draining, report.Degraded), status);
    }

    private static string StatusOf(string? notReadyReason) => notReadyReason is null ? "ready" : "not_ready";
}
