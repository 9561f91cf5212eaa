using System.CommandLine;
using System.Text.Json;
using Spectre.Console;

namespace Batch.Benchmarks.Engine;

/// <summary>Options that several commands share.</summary>
internal static class Settings
{
    public static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true };

    public static Option<string[]> Shapes(params string[] byDefault) => List("--shape", "gpt2, llama135m, llama1b", text => text, byDefault);

    public static Option<int[]> Batches() => List("--batch", "texts at once, such as 1,8,32", text => int.TryParse(text, out var n) && n is >= 1 and <= 32 ? n : throw new ArgumentException($"--batch is 1 to 32, was '{text}'"), 1, 8, 32);

    public static Option<string[]> DTypes(params string[] byDefault) => List("--dtype", "bf16, f32", text => text switch
    {
        "bf16" or "bfloat16" => "bfloat16",
        "f32" or "float32" => "float32",
        _ => throw new ArgumentException($"--dtype is bf16 or f32, was '{text}'"),
    }, byDefault.Length > 0 ? byDefault : ["bfloat16", "float32"]);

    /// <summary>As <see cref="DTypes"/>, and int8: weights of 8 bits beside bfloat16.</summary>
    public static Option<string[]> Precisions() => List("--dtype", "bf16, f32, int8", text => text switch
    {
        "bf16" or "bfloat16" => "bfloat16",
        "f32" or "float32" => "float32",
        "int8" => "int8",
        _ => throw new ArgumentException($"--dtype is bf16, f32 or int8, was '{text}'"),
    }, "bfloat16", "float32");

    /// <summary>A dtype as the command line has it.</summary>
    public static string Short(string dtype) => dtype switch { "bfloat16" => "bf16", "float32" => "f32", _ => dtype };

    public static Option<int> Rounds(int byDefault) => new("--rounds") { Description = "in turns; medians, and of ratios the smallest and the largest, too", DefaultValueFactory = _ => byDefault };

    public static Option<bool> Json() => new("--json") { Description = "JSON and nothing else on standard output" };

    /// <summary>Whole columns also where the output is no terminal.</summary>
    public static void Print(Table table)
    {
        AnsiConsole.Profile.Width = Math.Max(AnsiConsole.Profile.Width, Console.IsOutputRedirected ? 180 : 0);
        AnsiConsole.Write(table);
    }

    private static Option<T[]> List<T>(string name, string description, Func<string, T> parse, params T[] byDefault) => new(name)
    {
        Description = $"comma-separated: {description}",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => byDefault,
        CustomParser = result =>
        {
            try
            {
                return result.Tokens.SelectMany(t => t.Value.Split(',', StringSplitOptions.RemoveEmptyEntries)).Select(parse).ToArray();
            }
            catch (ArgumentException e)
            {
                result.AddError(e.Message);
                return [];
            }
        },
    };
}
