using System.Text.RegularExpressions;

namespace Batch.Infra.Tests;

/// <summary>The environment variables that somebody in the container reads.</summary>
internal static class ReadSettings
{
    // What the Functions host, its storage extension, ASP.NET, Azure.Identity, OpenTelemetry and NVIDIA's container runtime read.
    private static readonly string[] Others =
    [
        "ASPNETCORE_URLS", "AZURE_CLIENT_ID", "AzureWebJobsStorage__accountName", "AzureWebJobsStorage__clientId", "AzureWebJobsStorage__credential",
        "FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", "FUNCTIONS_WORKER_RUNTIME", "NVIDIA_DRIVER_CAPABILITIES", "NVIDIA_VISIBLE_DEVICES",
        "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_SERVICE_NAME",
    ];

    /// <summary>Environment variables that what runs in Azure names itself: words in capitals.</summary>
    public static IReadOnlySet<string> ByName { get; } =
        new[] { "functions", "shared/Batch.Jobs", "shared/Batch.Inference" }.SelectMany(Repository.SourceFiles)
            .SelectMany(file => Regex.Matches(File.ReadAllText(file), @"""([A-Z]{3,}(?:_[A-Z]+)+)""")).Select(match => match.Groups[1].Value).ToHashSet();

    public static bool Contains(string variable) =>
        CodeSetting.All.Any(setting => setting.IsDictionary ? variable.StartsWith($"{setting.Variable}__", StringComparison.Ordinal) : variable == setting.Variable)
        || (Regex.Match(variable, "^Models__.+__(\\w+)$") is { Success: true } model && CodeSetting.All.Any(setting => setting.Variable == $"Engine__{model.Groups[1].Value}"))
        || ByName.Contains(variable)
        || Others.Contains(variable);
}
