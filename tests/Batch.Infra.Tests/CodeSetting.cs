using System.Collections;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Batch.Inference.Engine;
using Batch.Jobs;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>A setting that the code reads: a property of a class that functions/Program.cs binds to a section.</summary>
internal sealed record CodeSetting(string Section, PropertyInfo Property)
{
    /// <summary>The sections, and the classes that they are bound to.</summary>
    public static IReadOnlyDictionary<string, Type> Sections { get; } = ReadSections();

    /// <summary>Section <c>Models</c> apart, which is a dictionary of what section <c>Engine</c> has.</summary>
    public static IReadOnlyList<CodeSetting> All { get; } = [.. Sections.Where(section => section.Value != typeof(ModelsOptions)).SelectMany(section => Of(section.Key, section.Value))];

    public string Name => $"{Section}:{Property.Name}";

    /// <summary>The environment variable that sets it.</summary>
    public string Variable => $"{Section}__{Property.Name}";

    /// <summary>What it is where nobody sets it; null for none.</summary>
    public object? Default => Property.GetValue(Activator.CreateInstance(Property.DeclaringType!));

    /// <summary>The default as an environment variable says it.</summary>
    public string DefaultText => Convert.ToString(Default, CultureInfo.InvariantCulture)!;

    public bool IsDictionary => Property.PropertyType.IsAssignableTo(typeof(IDictionary));

    /// <summary>Whether it always has one: entries of a dictionary, and what is nothing by default, are for whoever has a value.</summary>
    public bool HasValue => !IsDictionary && (DefaultText.Length > 0 || Property.IsDefined(typeof(RequiredAttribute)));

    public RangeAttribute? Range => Property.GetCustomAttribute<RangeAttribute>();

    private static IEnumerable<CodeSetting> Of(string section, Type type) =>
        type.GetProperties().Where(property => property.SetMethod is { IsPublic: true }).Select(property => new CodeSetting(section, property));

    private static Dictionary<string, Type> ReadSections()
    {
        var program = Repository.Read("functions", "Program.cs");
        var bindings = Regex.Matches(program, @"AddOptionsWithValidateOnStart<(?<class>\w+)(?:, \w+)?>\(\)\.BindConfiguration\(""(?<section>\w+)""\)");
        Assert.Equal(Regex.Count(program, "AddOptions|BindConfiguration|[.]Configure<") / 2, bindings.Count);
        Type[] types = [.. typeof(EngineOptions).Assembly.GetTypes(), .. typeof(JobsOptions).Assembly.GetTypes()];
        return bindings.ToDictionary(binding => binding.Groups["section"].Value, binding => types.Single(type => type.Name == binding.Groups["class"].Value));
    }
}
