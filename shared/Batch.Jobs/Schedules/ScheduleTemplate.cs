using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Batch.Jobs.Requests;
using Scriban;
using Scriban.Functions;
using Scriban.Parsing;
using Scriban.Runtime;
using Scriban.Syntax;

namespace Batch.Jobs.Schedules;

/// <summary>What a template may speak of.</summary>
/// <param name="Now">The tick, on the clock of the schedule's time zone.</param>
/// <param name="Run">Counts the schedule's runs, from 1.</param>
/// <param name="Row">A row of the schedule's blob, by column.</param>
/// <param name="RowNumber">Its number, from 1.</param>
public sealed record TemplateValues(
    DateTimeOffset Now, int Run, IReadOnlyDictionary<string, string> Variables, IReadOnlyDictionary<string, string>? Row = null, int RowNumber = 0);

/// <summary>
/// A submission whose strings are Scriban templates: <c>{{ row.topic }}</c>, <c>{{ now | date.to_string '%F' }}</c>. Everything that is not
/// a string stays as it is. An unknown name is an error, not an empty text; loops, recursion, length and time are bounded, the time of all rows of a run
/// together too. One thread.
/// </summary>
internal sealed partial class ScheduleTemplate
{
    private const int LongestText = 1 << 20;
    private static readonly TimeSpan LongestTime = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestRun = TimeSpan.FromMinutes(2);

    private readonly string _field;
    private readonly JsonObject _job;
    private readonly Dictionary<string, Template> _parsed;
    private readonly TimeSpan _mayTake;
    private TimeSpan _took;

    private ScheduleTemplate(string field, JsonObject job, Dictionary<string, Template> parsed, TimeSpan mayTake) =>
        (_field, _job, _parsed, _mayTake) = (field, job, parsed, mayTake);

    /// <summary>Throws <see cref="InvalidJobException"/> that names the field whose template does not parse.</summary>
    /// <param name="job">The strings in it are templates.</param>
    /// <param name="field">Where it stands in the definition.</param>
    /// <param name="mayTake">After so much time for the rows before, the next is refused; null is two minutes.</param>
    public static ScheduleTemplate Compile(JsonObject job, string field = "job", TimeSpan? mayTake = null)
    {
        var parsed = new Dictionary<string, Template>(StringComparer.Ordinal);
        foreach (var (path, text) in Strings(job).Where(each => each.Text.Contains("{{", StringComparison.Ordinal)))
        {
            RequireShortNumbers(field, path, text);
            var template = Template.Parse(text);
            parsed[path] = template.HasErrors ? throw Refused(field, path, template.Messages[0].ToString()) : template;
        }

        return new ScheduleTemplate(field, job, parsed, mayTake ?? LongestRun);
    }

    /// <summary>The submission for one set of values.</summary>
    public byte[] Render(TemplateValues values)
    {
        if (_took > _mayTake)
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, $"the templates of the run took longer than {_mayTake.TotalSeconds} s; what comes after is not rendered", _field);
        }

        var started = Stopwatch.GetTimestamp();
        try
        {
            return RenderAll(values);
        }
        finally
        {
            _took += Stopwatch.GetElapsedTime(started);
        }
    }

    private byte[] RenderAll(TemplateValues values)
    {
        var globals = Globals(values);
        var job = _job.DeepClone();
        using var time = new CancellationTokenSource(LongestTime); // for all of its texts
        foreach (var (path, template) in _parsed)
        {
            Replace(job, path, Render(path, template, globals, time.Token));
        }

        return JsonSerializer.SerializeToUtf8Bytes(job, JobJson.Options);
    }

    private static ScriptObject Globals(TemplateValues values)
    {
        var globals = new ScriptObject
        {
            ["now"] = values.Now.DateTime,
            ["today"] = values.Now.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
            ["run"] = values.Run,
            ["vars"] = Members(values.Variables),
        };
        if (values.Row is not null)
        {
            globals["row"] = Members(values.Row);
            globals["row_number"] = values.RowNumber;
        }

        return globals;
    }

    // Without what reads a text as a template: that text was not looked at.
    private static BuiltinFunctions Builtins()
    {
        var builtins = new BuiltinFunctions();
        var ofObjects = (ScriptObject)builtins["object"]!;
        ofObjects.Remove("eval");
        ofObjects.Remove("eval_template");
        return builtins;
    }

    // Scriban writes numbers such as 1e9999999 out while it reads them, which takes as long as it likes.
    private static void RequireShortNumbers(string field, string path, string text)
    {
        foreach (var token in new Lexer(text))
        {
            if (token.Type is TokenType.Integer or TokenType.Float && LongNumber().IsMatch(token.GetText(text)))
            {
                throw Refused(field, path, "a number in it has more than 100 digits, or an exponent of more than 3");
            }
        }
    }

    private static ScriptObject Members(IReadOnlyDictionary<string, string> pairs)
    {
        var members = new ScriptObject();
        foreach (var (name, value) in pairs)
        {
            members[name] = value;
        }

        return members;
    }

    private string Render(string path, Template template, ScriptObject globals, CancellationToken cancellationToken)
    {
        var context = new TemplateContext(Builtins())
        {
            StrictVariables = true,
            EnableRelaxedMemberAccess = false,
            LoopLimit = 1000,
            RecursiveLimit = 16,
            ObjectRecursionLimit = 16,
            LimitToString = LongestText,
            RegexTimeOut = LongestTime,
            NewLine = "\n",
            CancellationToken = cancellationToken,
        };
        context.PushGlobal(globals);
        try
        {
            return template.Render(context);
        }
        catch (Exception e) when (e is ScriptRuntimeException or ScriptAbortException)
        {
            throw Refused(_field, path, e is ScriptAbortException ? $"it took longer than {LongestTime.TotalSeconds} s" : e.Message);
        }
    }

    // Paths are JSON pointers (RFC 6901), without the first slash.
    private static IEnumerable<(string Path, string Text)> Strings(JsonNode? node, string path = "")
    {
        switch (node)
        {
            case JsonObject fields:
                return fields.SelectMany(field => Strings(field.Value, path.Length == 0 ? Escape(field.Key) : $"{path}/{Escape(field.Key)}"));
            case JsonArray items:
                return items.SelectMany((item, index) => Strings(item, $"{path}/{index.ToString(CultureInfo.InvariantCulture)}"));
            case JsonValue value when value.TryGetValue<string>(out var text):
                return [(path, text)];
            default:
                return [];
        }
    }

    private static void Replace(JsonNode job, string path, string text)
    {
        string[] segments = [.. path.Split('/').Select(Unescape)];
        var parent = segments[..^1].Aggregate(job, (node, segment) => node is JsonArray items ? items[int.Parse(segment, CultureInfo.InvariantCulture)]! : node[segment]!);
        if (parent is JsonArray array)
        {
            array[int.Parse(segments[^1], CultureInfo.InvariantCulture)] = text;
        }
        else
        {
            parent[segments[^1]] = text;
        }
    }

    private static string Escape(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    private static string Unescape(string name) => name.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);

    [GeneratedRegex("^.{101}|[eE][+-]?[0-9]{4}", RegexOptions.Singleline)]
    private static partial Regex LongNumber();

    private static InvalidJobException Refused(string field, string path, string why) => new(
        JobErrorCode.InvalidRequest, $"the template in {field}.{path.Replace('/', '.')} cannot be rendered: {why}", field);
}
