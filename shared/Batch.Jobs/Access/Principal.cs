using System.Text.Json;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Access;

/// <summary>
/// Who signed in, as Azure's built-in authentication (App Service, Container Apps) writes it into X-MS-CLIENT-PRINCIPAL: base64 of
/// <c>{"auth_typ", "name_typ", "role_typ", "claims": [{"typ", "val"}]}</c>. It means something only where that stands in front and sets it.
/// </summary>
internal static class Principal
{
    public const string Header = "X-MS-CLIENT-PRINCIPAL";

    // Under which the same claim comes, by the token's version.
    private static readonly string[] RoleTypes = ["roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"];
    private static readonly string[] IdTypes = ["oid", "http://schemas.microsoft.com/identity/claims/objectidentifier", "sub"];

    /// <summary>
    /// The caller: its tenant is the claim <paramref name="tenantClaim"/>, or the default one where none is named; its scopes are its roles
    /// batch.read, batch.submit and batch.admin. Throws <see cref="InvalidJobException"/> where there is no such claim or none of the roles.
    /// </summary>
    public static Caller Read(string header, string? tenantClaim)
    {
        var claims = Claims(header);
        var scopes = claims.Where(claim => RoleTypes.Contains(claim.Type)).Aggregate(ApiScopes.None, (all, claim) => all | claim.Value.ToLowerInvariant() switch
        {
            "batch.read" => ApiScopes.Read,
            "batch.submit" => ApiScopes.Submit,
            "batch.admin" => ApiScopes.Admin,
            _ => ApiScopes.None,
        });
        var name = claims.FirstOrDefault(claim => IdTypes.Contains(claim.Type)).Value ?? "signed in";
        if (string.IsNullOrEmpty(tenantClaim))
        {
            return new Caller(Caller.DefaultTenant, scopes, name);
        }

        return claims.FirstOrDefault(claim => claim.Type == tenantClaim).Value is { } tenant && JsonField.IsName(tenant)
            ? new Caller(tenant, scopes, name)
            : throw new InvalidJobException(JobErrorCode.InsufficientPermissions, $"who signed in has no claim '{tenantClaim}' that names a tenant");
    }

    private static List<(string Type, string Value)> Claims(string header)
    {
        try
        {
            using var json = JsonDocument.Parse(Convert.FromBase64String(header));
            return [.. json.RootElement.GetProperty("claims").EnumerateArray().Select(claim => (claim.GetProperty("typ").GetString()!, claim.GetProperty("val").GetString()!))];
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new InvalidJobException(JobErrorCode.InvalidApiKey, $"{Header} is not what Azure's built-in authentication writes");
        }
    }
}
