namespace Batch.Jobs.Access;

/// <summary>What a key may do. <see cref="Admin"/> holds the others.</summary>
[Flags]
public enum ApiScopes
{
    None = 0,
    Read = 1,
    Submit = 2,
    Admin = 4 | Read | Submit,
}

/// <summary>
/// Who asks: a tenant, whose objects alone it sees, with the scopes of its key. <see cref="Name"/> stands in the audit log: the key's id, or
/// what is known of a caller without one.
/// </summary>
public sealed record Caller(string Tenant, ApiScopes Scopes, string Name)
{
    public const string DefaultTenant = "default";

    /// <summary>Of the HTTP request, where there is one.</summary>
    public string? RequestId { get; init; }

    /// <summary>Whoever asks where no key is required.</summary>
    public static Caller Anyone(string name) => new(DefaultTenant, ApiScopes.Admin, name);
}
