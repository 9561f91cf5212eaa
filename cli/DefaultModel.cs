using System.CommandLine;

namespace Batch.Cli;

/// <summary>The model that ships with the project, beside the program.</summary>
internal static class DefaultModel
{
    public static string Path { get; } = System.IO.Path.Combine(AppContext.BaseDirectory, "models", "draft-5m");

    public static Option<string> Option() => new("--model") { Description = "Hugging Face folder of a model; by default the one that ships with Batch", DefaultValueFactory = _ => Path, HelpName = "FOLDER" };
}
