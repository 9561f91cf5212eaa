using Batch.Functions.OpenApi;
using Batch.Jobs.Access;
using Batch.Jobs.Requests;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions.Keys;

/// <summary>
/// Makes a key with the rights of another, which goes on for <c>overlap_seconds</c> (86,400) so that its users can change over.
/// </summary>
public sealed class RotateKey(ApiGate gate, ApiKeyStore keys)
{
    [Function(nameof(RotateKey))]
    [Operation("Makes a successor of an API key", ApiScopes.Admin, Makes = true, Takes = RequestSchemas.Rotation, TakesNothing = true, Answers = typeof(ApiKeyView), Status = 201, OrStatus = 200)]
    public Task<IResult> RunAsync(
        [HttpTrigger(AuthorizationLevel.Anonymous, "post", Route = "v1/keys/{id}/rotate")] HttpRequest request,
        string id,
        CancellationToken cancellationToken) => gate.RunAsync(
            request,
            ApiScopes.Admin,
            async caller =>
            {
                var overlap = ApiKeyRequest.ParseOverlap(await ApiRequest.ReadBodyAsync(request, CreateKey.LargestBody, cancellationToken));
                var old = await keys.FindByIdAsync(caller.Tenant, id, cancellationToken);
                if (old is not { RevokedAt: null })
                {
                    throw new InvalidJobException(JobErrorCode.KeyNotFound, $"no key {id} of this tenant can be rotated");
                }

                var (key, secret) = await keys.RotateAsync(old, overlap, ApiRequest.IdempotencyKey(request), cancellationToken);
                return Api.Made(key, secret);
            },
            cancellationToken);
}
