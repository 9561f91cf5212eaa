using System.Reflection;
using System.Text.RegularExpressions;

namespace Batch.Functions.OpenApi;

/// <summary>A route of the functions of this assembly, as their attributes declare it; the same under either host.</summary>
internal sealed partial record ApiRoute(string Function, string Path, IReadOnlyList<string> Methods, OperationAttribute? Operation)
{
    /// <summary>All but the one that takes what is left.</summary>
    public static IReadOnlyList<ApiRoute> All { get; } =
    [
        .. from type in typeof(ApiRoute).Assembly.GetTypes()
           from method in type.GetMethods()
           let function = method.GetCustomAttribute<FunctionAttribute>()
           where function is not null
           let trigger = method.GetParameters().Select(parameter => parameter.GetCustomAttribute<HttpTriggerAttribute>()).FirstOrDefault(found => found is not null)
           let methods = (trigger?.Methods ?? []).Select(name => name.ToUpperInvariant()).ToArray()
           where methods.Length > 0
           orderby trigger.Route, methods[0]
           select new ApiRoute(function.Name, $"/{trigger.Route?.Replace("{*", "{", StringComparison.Ordinal)}", methods, method.GetCustomAttribute<OperationAttribute>()),
    ];

    public IReadOnlyList<string> Parameters => [.. Parameter().Matches(Path).Select(match => match.Groups[1].Value)];

    public bool Matches(string? path)
    {
        var (mine, given) = (Path.Split('/'), (path ?? "").TrimEnd('/').Split('/'));
        return mine.Length == given.Length
            && mine.Zip(given).All(pair => Parameter().IsMatch(pair.First) ? pair.Second.Length > 0 : pair.First.Equals(pair.Second, StringComparison.OrdinalIgnoreCase));
    }

    [GeneratedRegex(@"\{(\w+)\}")]
    private static partial Regex Parameter();
}
