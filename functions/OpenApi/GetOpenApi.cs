using System.Text;
using Batch.Jobs;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.OpenApi;

/// <summary>The OpenAPI 3.1 document of the whole API, for tools; without a key, as it holds nothing of anybody's.</summary>
public sealed class GetOpenApi
{
    private static readonly byte[] Document = Encoding.UTF8.GetBytes(OpenApiDocument.Build().ToJsonString(JobJson.Options));

    [Function(nameof(GetOpenApi))]
    [Operation("This document")]
    public IResult Run([HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "openapi.json")] HttpRequest request)
    {
        ApiRequest.GiveId(request);
        return Results.Bytes(Document, "application/json");
    }
}
