using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;

namespace Batch.Cli;

internal static class Output
{
    /// <summary>One line, Chinese readable as it is.</summary>
    public static JsonSerializerOptions Json { get; } = new() { Encoder = JavaScriptEncoder.Create(UnicodeRanges.All) };

    /// <summary>Every command that talks to the server has it: what the server answered, one object a line, on standard output and nothing else there.</summary>
    public static Option<bool> JsonOption(string description = "Print what the server answers as JSON, one object a line") => new("--json") { Description = description };

    public static void WriteJson(JsonElement answer) => Console.Out.WriteLine(JsonSerializer.Serialize(answer, Json));

    public static void WriteJsonLines(JsonElement list)
    {
        foreach (var item in list.GetProperty("data").EnumerateArray())
        {
            WriteJson(item);
        }
    }
}
