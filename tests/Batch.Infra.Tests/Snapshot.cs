using System.Text.Json;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>The resources that one parameter file deploys, as Bicep predicted them.</summary>
internal sealed class Snapshot
{
    private Snapshot(string text)
    {
        Text = text;
        Root = JsonElement.Parse(text);
        Resources = [.. Root.GetProperty("predictedResources").EnumerateArray().Select(json => new Resource(json))];
    }

    public string Text { get; }

    public JsonElement Root { get; }

    public IReadOnlyList<Resource> Resources { get; }

    /// <summary>The names of all parameter files.</summary>
    public static TheoryData<string> All => [.. Directory.EnumerateFiles(Repository.Infra, "*.bicepparam").Select(file => Path.GetFileNameWithoutExtension(file)!).Order(StringComparer.Ordinal)];

    public static Snapshot Load(string name) => Parse(Repository.Read("infra", $"{name}.snapshot.json"));

    public static Snapshot Parse(string text) => new(text);

    public IReadOnlyList<Resource> OfType(string type) => [.. Resources.Where(resource => resource.Type == type)];

    public Resource Single(string type) => Resources.Single(resource => resource.Type == type);

    /// <summary>The container of the app.</summary>
    public JsonElement Container => Single("Microsoft.App/containerApps")["properties.template.containers"][0];

    /// <summary>The rules of the app's scale that watch a queue.</summary>
    public IReadOnlyList<JsonElement> QueueRules =>
        [.. Single("Microsoft.App/containerApps")["properties.template.scale.rules"].EnumerateArray().Where(rule => rule.TryGetProperty("azureQueue", out _)).Select(rule => rule.GetProperty("azureQueue"))];

    /// <summary>The app's environment variables, those of secrets apart.</summary>
    public Dictionary<string, string> Variables => VariablesOf("value");

    /// <summary>The app's environment variables that come from secrets, and the secrets' names.</summary>
    public Dictionary<string, string> SecretVariables => VariablesOf("secretRef");

    /// <summary>Last parts of the names of a kind of child resource, in order.</summary>
    public IReadOnlyList<string> Names(string type) => [.. OfType(type).Select(resource => resource.Name.Split('/')[^1]).Order(StringComparer.Ordinal)];

    private Dictionary<string, string> VariablesOf(string property) =>
        Container.GetProperty("env").EnumerateArray().Where(each => each.TryGetProperty(property, out _))
            .ToDictionary(each => each.GetProperty("name").GetString()!, each => each.GetProperty(property).GetString()!);
}

internal sealed record Resource(JsonElement Json)
{
    public string Id => Json.GetProperty("id").GetString()!;

    public string Type => Json.GetProperty("type").GetString()!;

    public string Name => Json.GetProperty("name").GetString()!;

    /// <summary>The value at a path such as <c>properties.networkAcls.bypass</c>; undefined where a part is missing.</summary>
    public JsonElement this[string path]
    {
        get
        {
            var value = Json;
            foreach (var part in path.Split('.'))
            {
                if (value.ValueKind != JsonValueKind.Object || !value.TryGetProperty(part, out value))
                {
                    return default;
                }
            }

            return value;
        }
    }

    /// <summary>The value at a path as text, booleans as True and False; empty where it is missing.</summary>
    public string Text(string path) => this[path] is { ValueKind: not JsonValueKind.Undefined } value ? value.ToString() : "";
}
