using Batch.Functions.OpenApi;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>Whether the process answers; it does so while the model loads.</summary>
public sealed class CheckLive
{
    [Function(nameof(CheckLive))]
    [Operation("The process answers", Answers = typeof(Liveness))]
    public IResult Run([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "health/live")] HttpRequest request)
    {
        ApiRequest.GiveId(request);
        return Api.Json(new Liveness("live"));
    }
}
