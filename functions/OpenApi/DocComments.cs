using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Batch.Functions.OpenApi;

/// <summary>
/// What the code's comments say of types and their properties, as plain text under the API's names: from the XML files that the compiler writes beside
/// the assemblies. Where such a file was left out the document has no descriptions.
/// </summary>
internal static partial class DocComments
{
    private static readonly ConcurrentDictionary<Assembly, IReadOnlyDictionary<string, XElement>> Files = new();

    public static string? Of(Type type) => Text(Find(type, $"T:{NameOf(type)}")?.Element("summary"));

    /// <summary>A property's summary or, of a record's parameter, what the record's comment says of it.</summary>
    public static string? Of(Type type, string property) =>
        Text(Find(type, $"P:{NameOf(type)}.{property}")?.Element("summary"))
        ?? Text(Find(type, $"T:{NameOf(type)}")?.Elements("param").FirstOrDefault(said => said.Attribute("name")?.Value == property));

    private static XElement? Find(Type type, string name) => Files.GetOrAdd(type.Assembly, Read).GetValueOrDefault(name);

    private static Dictionary<string, XElement> Read(Assembly assembly)
    {
        var path = Path.ChangeExtension(assembly.Location, ".xml");
        return assembly.GetName().Name!.StartsWith("Batch.", StringComparison.Ordinal) && File.Exists(path)
            ? XDocument.Load(path).Descendants("member").ToDictionary(member => member.Attribute("name")!.Value)
            : [];
    }

    private static string NameOf(Type type) => (type.IsGenericType ? type.GetGenericTypeDefinition() : type).FullName!.Replace('+', '.');

    private static string? Text(XElement? said) => said is null ? null : Space().Replace(string.Concat(said.Nodes().Select(Text)), " ").Trim();

    private static string Text(XNode node) => node switch
    {
        XText text => text.Value,
        XElement element when element.Attribute("cref") is { Value: var target } => Named(target),
        XElement element when (element.Attribute("name") ?? element.Attribute("langword")) is { Value: var name } => JsonNamingPolicy.SnakeCaseLower.ConvertName(name),
        XElement element => element.Value,
        _ => "",
    };

    private static string Named(string target)
    {
        var name = target.Split('(')[0].Split('.')[^1];
        return target.StartsWith("T:", StringComparison.Ordinal) ? name : JsonNamingPolicy.SnakeCaseLower.ConvertName(name);
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex Space();
}
