using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Keys;

/// <summary>
/// Makes an API key of the caller's tenant: 201, and the only place where the key itself is shown. An Idempotency-Key that came before is
/// answered 200, with what was made then but not the key itself.
/// </summary>
public sealed class CreateKey(ApiGate gate, ApiKeyStore keys, TimeProvider time)
{
    internal const int LargestBody = 64 * 1024;

    [Function(nameof(CreateKey))]
    [Operation("Makes an API key, which is shown this once", ApiScopes.Admin, Makes = true, Takes = RequestSchemas.Key, TakesNothing = true, Answers = typeof(ApiKeyView), Status = 201, OrStatus = 200)]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/keys")] HttpRequest request, CancellationToken cancellationToken) =>
        gate.RunAsync(
            request,
            ApiScopes.Admin,
            async caller =>
            {
                var body = await ApiRequest.ReadBodyAsync(request, LargestBody, cancellationToken);
                var asked = ApiKeyRequest.Parse(body, time.GetUtcNow());
                var (key, secret) = await keys.CreateAsync(caller.Tenant, asked, ApiRequest.IdempotencyKey(request), cancellationToken);
                return Api.Made(key, secret);
            },
            cancellationToken);
}
