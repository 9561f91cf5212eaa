using Batch.Jobs.Requests;

namespace Batch.Jobs.Access;

/// <summary>Scopes as people write them: <c>read,submit</c>.</summary>
public static class ScopeNames
{
    public const string Default = "read,submit";

    public static string Write(ApiScopes scopes) => scopes switch
    {
        ApiScopes.Admin => "admin",
        ApiScopes.Read => "read",
        ApiScopes.Submit => "submit",
        _ => Default,
    };

    public static ApiScopes Read(string names) => names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) switch
    {
        [] => throw Wrong(names),
        var given => given.Aggregate(ApiScopes.None, (scopes, name) => scopes | name switch
        {
            "read" => ApiScopes.Read,
            "submit" => ApiScopes.Submit,
            "admin" => ApiScopes.Admin,
            _ => throw Wrong(name),
        }),
    };

    private static InvalidJobException Wrong(string seen) =>
        new(JobErrorCode.InvalidRequest, $"scopes must be some of read, submit and admin, was {JsonField.Quote(seen)}", "scopes");
}
