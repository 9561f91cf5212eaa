using Batch.Jobs.Access;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Keys;

/// <summary>Makes an API key of the caller's tenant. The answer is the only place where the key itself is shown.</summary>
public sealed class CreateKey(ApiGate gate, ApiKeyStore keys, TimeProvider time)
{
    internal const int LargestBody = 64 * 1024;

    [Function(nameof(CreateKey))]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/keys")] HttpRequest request, CancellationToken cancellationToken) =>
        gate.RunAsync(
            request,
            ApiScopes.Admin,
            async caller =>
            {
                var body = await ApiRequest.ReadBodyAsync(request, LargestBody, cancellationToken);
                var asked = ApiKeyRequest.Parse(body, time.GetUtcNow());
                var (key, secret) = await keys.CreateAsync(caller.Tenant, asked.Scopes, asked.Name, asked.ExpiresAt, cancellationToken);
                return Api.Json(ApiKeyView.Of(key, secret), StatusCodes.Status201Created);
            },
            cancellationToken);
}
