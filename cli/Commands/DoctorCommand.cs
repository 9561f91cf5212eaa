using System.CommandLine;
using System.Text.Json;
using Batch.Cli.Doctor;
using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.Extensions.Configuration;
using Spectre.Console;

namespace Batch.Cli.Commands;

/// <summary>Looks at settings, host.json, storage, models and the machine, changes nothing, and says how to mend what it finds.</summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var root = new Option<string?>("--root") { Description = "Folder of host.json and local.settings.json; by default this one, if it has a host.json", HelpName = "FOLDER" };
        var settings = new Option<string[]>("--set") { Description = "A setting of the functions, such as Engine:DType=bfloat16; may be repeated", HelpName = "NAME=VALUE" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object with healthy and findings" };
        var command = new Command("doctor", "Check settings, host.json, storage, models and this machine: 0 sound, 1 something is wrong") { root, settings, json };
        command.SetAction(async (given, cancellationToken) =>
        {
            var folder = Path.GetFullPath(given.GetValue(root) ?? (File.Exists("host.json") ? "." : AppContext.BaseDirectory));
            var configuration = FunctionsApplication.CreateBuilder([$"--AzureWebJobsScriptRoot={folder}", .. (given.GetValue(settings) ?? []).Select(setting => $"--{setting}")]).Configuration;
            var findings = await RunAsync(configuration, folder, cancellationToken);
            var isHealthy = !findings.Exists(finding => finding.Severity == Severity.Problem);
            if (given.GetValue(json))
            {
                Console.Out.WriteLine(JsonSerializer.Serialize(
                    new { healthy = isHealthy, findings = findings.Select(f => new { area = f.Area, severity = f.Severity.ToString().ToLowerInvariant(), message = f.Message, fix = f.Fix }) }, Output.Json));
            }
            else
            {
                Print(findings);
            }

            return isHealthy ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    private static async Task<List<Finding>> RunAsync(IConfiguration configuration, string root, CancellationToken cancellationToken) =>
    [
        .. SettingsCheck.Run(configuration), .. HostCheck.Run(configuration, root), .. ModelCheck.Run(configuration, DefaultModel.Path), .. MachineCheck.Run(configuration),
        .. await StorageCheck.RunAsync(configuration, TimeProvider.System, cancellationToken),
    ];

    private static void Print(List<Finding> findings)
    {
        foreach (var area in findings.GroupBy(finding => finding.Area))
        {
            AnsiConsole.MarkupLine($"[bold]{Markup.Escape(area.Key)}[/]");
            foreach (var finding in area)
            {
                AnsiConsole.MarkupLine($"  {Sign(finding.Severity)} {Markup.Escape(finding.Message)}");
                if (finding.Fix is { } fix)
                {
                    AnsiConsole.MarkupLine($"       [grey]->[/] {Markup.Escape(fix)}");
                }
            }
        }

        var (problems, warnings) = (findings.Count(f => f.Severity == Severity.Problem), findings.Count(f => f.Severity == Severity.Warning));
        AnsiConsole.MarkupLine($"{problems} problems, {warnings} warnings");
    }

    private static string Sign(Severity severity) => severity switch
    {
        Severity.Ok => "[green]ok  [/]",
        Severity.Note => "[blue]note[/]",
        Severity.Warning => "[yellow]warn[/]",
        _ => "[red]bad [/]",
    };
}
