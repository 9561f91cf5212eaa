using Batch.Functions.OpenApi;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>What no other route takes: 405 with <c>Allow</c> where the path has other methods, else 404, in OpenAI's shape.</summary>
public sealed class RefuseUnknown
{
    [Function(nameof(RefuseUnknown))]
    public IResult Run([HttpTrigger(AuthorizationLevel.Anonymous, Route = "{*path}")] HttpRequest request)
    {
        ApiRequest.GiveId(request);
        var methods = ApiRoute.All.Where(route => route.Matches(request.Path)).SelectMany(route => route.Methods).ToList();
        if (methods.Count == 0)
        {
            return Api.UnknownUrl(request.Method, request.Path);
        }

        request.HttpContext.Response.Headers.Allow = string.Join(", ", methods.Order(StringComparer.Ordinal));
        return Api.MethodNotAllowed(request.Method, request.Path, methods);
    }
}
