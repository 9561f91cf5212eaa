using System.Reflection;
using Batch.Inference.Engine;
using Batch.Jobs;
using Batch.Jobs.Access;
using Batch.Jobs.Audit;
using Batch.Jobs.Batches;
using Batch.Jobs.Events;
using Batch.Jobs.Retention;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Batch.Cli.Doctor;

/// <summary>Settings that nothing reads, values that are no such values or out of range, and what is open to everybody.</summary>
internal static class SettingsCheck
{
    private const string Area = "settings";

    /// <summary>Section to the options that it is bound to, as functions/Program.cs says.</summary>
    internal static readonly (string Section, Func<IConfiguration, string?> Validate, Type Options)[] Sections =
    [
        Section<EngineOptions>("Engine", engine => engine.ModelPath = "none named: the models' check says so"), Section<AccessOptions>("Access"), Section<JobsOptions>("Jobs"), Section<BatchOptions>("Batches"),
        Section<LimitsOptions>("Limits"), Section<WebhookOptions>("Webhooks"), Section<EventGridOptions>("EventGrid"), Section<AuditOptions>("Audit"),
        Section<RetentionOptions>("Retention"),
    ];

    private static readonly string[] LeaveOut = ["Webhooks:AllowHttp", "Webhooks:AllowPrivateAddresses"];

    // The local host's own; its options are not for others to see.
    private static readonly string[] LocalHost = ["Port", "FunctionKey", "QueueLock", "DrainSeconds"];

    public static IEnumerable<Finding> Run(IConfiguration configuration)
    {
        var found = Unread(configuration).Concat(Wrong(configuration)).Concat(Open(configuration)).ToList();
        return found.Exists(finding => finding.Severity == Severity.Problem) ? found : found.Prepend(Finding.Ok(Area, "every setting is known and in range"));
    }

    private static IEnumerable<Finding> Unread(IConfiguration configuration)
    {
        foreach (var (section, _, options) in Sections)
        {
            foreach (var finding in Unread(configuration.GetSection(section), NamesOf(options)))
            {
                yield return finding;
            }
        }

        foreach (var finding in configuration.GetSection("Models").GetChildren().SelectMany(model => Unread(model, NamesOf(typeof(EngineOptions))))
            .Concat(Unread(configuration.GetSection("LocalHost"), LocalHost)))
        {
            yield return finding;
        }
    }

    private static IEnumerable<Finding> Unread(IConfigurationSection section, string[] names)
    {
        foreach (var setting in section.GetChildren().Where(each => !names.Contains(each.Key, StringComparer.OrdinalIgnoreCase)))
        {
            var near = names.MinBy(name => Distance(name.ToLowerInvariant(), setting.Key.ToLowerInvariant()))!;
            var fix = Distance(near.ToLowerInvariant(), setting.Key.ToLowerInvariant()) <= 3 ? $"name it {section.Path}:{near}" : $"take it out; {section.Path} has {string.Join(", ", names)}";
            yield return Finding.Problem(Area, $"{setting.Path} is set, and nothing reads it", fix);
        }
    }

    private static IEnumerable<Finding> Wrong(IConfiguration configuration)
    {
        foreach (var (_, validate, _) in Sections)
        {
            if (validate(configuration) is { } failure)
            {
                yield return Finding.Problem(Area, failure, "give a value in the range that docs/operations.md says");
            }
        }
    }

    private static IEnumerable<Finding> Open(IConfiguration configuration)
    {
        if (configuration.GetValue("Access:Required", true) is false)
        {
            yield return Finding.Warning(Area, "Access:Required is false: everybody is tenant default with every scope", "leave it out, and make a key with `batch keys create`");
        }

        if (string.IsNullOrEmpty(configuration["Webhooks:Secret"]))
        {
            yield return Finding.Note(Area, "Webhooks:Secret is not set: jobs that ask for a webhook are refused", "set it to whsec_ and base64 of 32 random bytes, if webhooks are wanted");
        }

        foreach (var name in LeaveOut.Where(name => configuration.GetValue(name, false)))
        {
            yield return Finding.Warning(Area, $"{name} is true: whoever submits jobs can have this network called", "leave it out unless all callers are trusted");
        }
    }

    private static string[] NamesOf(Type options) =>
        [.. options.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.SetMethod is { IsPublic: true } || property.PropertyType.IsGenericType).Select(property => property.Name)];

    private static (string, Func<IConfiguration, string?>, Type) Section<T>(string name, Action<T>? before = null)
        where T : class => (name, configuration => Failure(configuration, name, before ?? (_ => { })), typeof(T));

    private static string? Failure<T>(IConfiguration configuration, string section, Action<T> before)
        where T : class
    {
        using var services = new ServiceCollection().AddSingleton(configuration).AddOptions<T>().Configure(before).BindConfiguration(section).ValidateDataAnnotations().Services.BuildServiceProvider();
        try
        {
            _ = services.GetRequiredService<IOptions<T>>().Value;
            return null;
        }
        catch (OptionsValidationException e)
        {
            return string.Join("; ", e.Failures);
        }
        catch (InvalidOperationException e)
        {
            return e.Message; // a value that is not of the setting's type
        }
    }

    // Levenshtein's: how many letters to change.
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            (var diagonal, row[0]) = (row[0], i);
            for (var j = 1; j <= b.Length; j++)
            {
                (diagonal, row[j]) = (row[j], Math.Min(Math.Min(row[j], row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)));
            }
        }

        return row[b.Length];
    }
}
