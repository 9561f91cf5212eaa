using Batch.Jobs.Requests;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Access;

/// <summary>Says who asks, from a request's Authorization header or, where that is trusted, from who signed in before it.</summary>
public sealed class Authenticator(ApiKeyStore keys, IOptions<AccessOptions> options, TimeProvider time)
{
    private const string Scheme = "Bearer ";

    // A key has 46 characters; what is much longer is not looked up.
    private const int LongestSecret = 256;

    /// <summary>The header <c>X-MS-CLIENT-PRINCIPAL</c>.</summary>
    public const string PrincipalHeader = Principal.Header;

    /// <summary>
    /// The caller, who has <paramref name="needed"/>. Otherwise throws <see cref="InvalidJobException"/> of code invalid_api_key or
    /// insufficient_permissions.
    /// </summary>
    public async Task<Caller> RequireAsync(
        string? authorization, string? principal, ApiScopes needed, string nameWithoutKey, CancellationToken cancellationToken)
    {
        if (options.Value.TrustPrincipal && !string.IsNullOrEmpty(principal))
        {
            var signedIn = Principal.Read(principal, options.Value.PrincipalTenantClaim);
            return signedIn.Scopes.HasFlag(needed)
                ? signedIn
                : throw new InvalidJobException(
                    JobErrorCode.InsufficientPermissions, $"this needs the role batch.{NameOf(needed)}, which {signedIn.Name} has not");
        }

        if (!options.Value.Required)
        {
            return Caller.Anyone(nameWithoutKey);
        }

        if (authorization?.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) != true)
        {
            throw new InvalidJobException(
                JobErrorCode.InvalidApiKey, "no API key was given; send it as header 'Authorization: Bearer sk-…'");
        }

        var secret = authorization[Scheme.Length..].Trim();
        var key = secret.Length is 0 or > LongestSecret ? null : await keys.FindAsync(secret, cancellationToken);
        if (key?.IsValid(time.GetUtcNow()) != true)
        {
            var why = key is null ? "it is not known here" : key.RevokedAt is null ? "it has expired" : "it was revoked";
            throw new InvalidJobException(JobErrorCode.InvalidApiKey, $"the API key{Ending(secret)} is not valid: {why}");
        }

        return key.Allowed.HasFlag(needed)
            ? new Caller(key.Tenant, key.Allowed, key.Id)
            : throw new InvalidJobException(
                JobErrorCode.InsufficientPermissions,
                $"this needs scope {NameOf(needed)}; key {key.Id} has {ScopeNames.Write(key.Allowed)}");
    }

    private static string NameOf(ApiScopes scope) => scope == ApiScopes.Admin ? "admin" : ScopeNames.Write(scope);

    private static string Ending(string secret) => secret.Length < 20 ? "" : $" that ends in {JsonField.Quote(secret[^4..])}";
}
