using System.Globalization;
using System.Text.Json;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>The parameter <c>settings</c> offers what the code reads, with the code's types, ranges and defaults.</summary>
public sealed class SettingsTypeTests(BicepServer bicep) : IClassFixture<BicepServer>, IAsyncLifetime
{
    private JsonDocument _template = JsonDocument.Parse("{}");

    public async ValueTask InitializeAsync()
    {
        var compiled = await bicep.AskAsync("bicep/compile", new { path = Path.Combine(Repository.Infra, "main.bicep") });
        _template = JsonDocument.Parse(compiled.GetProperty("contents").GetString()!);
    }

    public ValueTask DisposeAsync()
    {
        _template.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public void Defaults_AreTheCodes()
    {
        var code = CodeSetting.All.ToDictionary(setting => (setting.Section, setting.Property.Name), setting => setting.DefaultText);

        Assert.All(Defaults(), setting => Assert.Equal(code[setting.Key], setting.Value));
    }

    [Fact]
    public void Type_OffersWhatIsNotDecidedElsewhere()
    {
        var offered = Sections().SelectMany(section => Properties(section.Value).Select(property => (section.Name, property.Name))).ToHashSet();

        // What a parameter file can give, or the template gives: decided by other parameters, or secret.
        var variables = Snapshot.Load("isolated") is var isolated ? isolated.Variables.Keys.Concat(isolated.SecretVariables.Keys).ToHashSet() : [];
        Assert.All(CodeSetting.All, setting => Assert.True(offered.Contains((setting.Section, setting.Property.Name)) || variables.Contains(setting.Variable), setting.Name));
        Assert.All(Defaults().Keys, setting => Assert.Contains(setting, offered));
        Assert.All(offered, setting => Assert.Contains(CodeSetting.All, each => (each.Section, each.Property.Name) == setting));
    }

    [Fact]
    public void Type_HasTheCodesTypesAndRanges()
    {
        var code = CodeSetting.All.ToDictionary(setting => (setting.Section, setting.Property.Name));

        foreach (var section in Sections())
        {
            foreach (var property in Properties(section.Value))
            {
                var (setting, type) = (code[(section.Name, property.Name)], Resolve(property.Value));
                Assert.Equal(BicepType(setting.Property.PropertyType), type.GetProperty("type").GetString());
                Assert.True(property.Value.GetProperty("nullable").GetBoolean(), $"{setting.Name} must be optional");
                Assert.Matches("[.]$", property.Value.GetProperty("metadata").GetProperty("description").GetString());
                if (type.GetProperty("type").GetString() == "int")
                {
                    Assert.Equal((setting.Name, Convert.ToInt64(setting.Range!.Minimum, CultureInfo.InvariantCulture), Most(setting)), (setting.Name, Limit(type, "minValue"), Limit(type, "maxValue")));
                }
            }
        }
    }

    // Beyond the largest number of the type there is nothing to refuse.
    private static long? Most(CodeSetting setting) => setting.Property.PropertyType == typeof(long) ? null : Convert.ToInt64(setting.Range!.Maximum, CultureInfo.InvariantCulture);

    private static long? Limit(JsonElement type, string name) => type.TryGetProperty(name, out var limit) ? limit.GetInt64() : null;

    // Bicep has no numbers with decimals.
    private static string BicepType(Type type) =>
        type == typeof(bool) ? "bool" : type == typeof(int) || type == typeof(long) ? "int" : type == typeof(string) || type == typeof(double) ? "string" : "object";

    private Dictionary<(string Section, string Name), string> Defaults() =>
        Imported("variables", "defaults").EnumerateObject()
            .SelectMany(section => section.Value.EnumerateObject().Select(setting => (Key: (section.Name, setting.Name), Value: setting.Value.ToString())))
            .ToDictionary(setting => setting.Key, setting => setting.Value);

    // The sections of options classes: OpenTelemetry reads its own, and each of Models is an Engine.
    private IEnumerable<(string Name, JsonElement Value)> Sections() =>
        Properties(Imported("definitions", "appSettings")).Where(section => section.Name is not ("Models" or "OpenTelemetry")).Select(section => (section.Name, section.Value));

    private JsonElement.ObjectEnumerator Properties(JsonElement type) => Resolve(type).GetProperty("properties").EnumerateObject();

    private JsonElement Resolve(JsonElement type) =>
        type.TryGetProperty("$ref", out var reference) ? _template.RootElement.GetProperty("definitions").GetProperty(reference.GetString()!["#/definitions/".Length..]) : type;

    // What is imported on the way to an import has a number before its name.
    private JsonElement Imported(string kind, string name) =>
        _template.RootElement.GetProperty(kind).EnumerateObject().Single(each => each.Name.Split('.')[^1] == name).Value;
}
