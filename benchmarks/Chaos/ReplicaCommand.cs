using System.CommandLine;
using System.Globalization;
using Batch.Jobs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Batch.Benchmarks.Chaos;

/// <summary>What a replica's process runs: the functions as <c>serve</c> does, but over storage that is there already.</summary>
internal static class ReplicaCommand
{
    public const string Name = "replica";

    /// <summary>Begins a line that says how many tokens this process drew so far.</summary>
    public const string TokensLine = "tokens drawn: ";

    public static Command Create()
    {
        var settings = new Argument<string[]>("settings") { Description = "As Program.cs takes them" };
        var command = new Command(Name, "Run the functions over a given storage account; chaos starts these") { settings };
        command.Hidden = true;
        command.SetAction(async (given, cancellationToken) =>
        {
            using var host = Functions.Program.BuildHost(given.GetValue(settings) ?? []);
            await host.StartAsync(CancellationToken.None);
            var telling = TellAsync(host.Services.GetRequiredService<EngineHost>(), host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopped);
            await host.WaitForShutdownAsync(CancellationToken.None);
            await telling;
            return 0;
        });
        return command;
    }

    private static async Task TellAsync(EngineHost engines, CancellationToken stopped)
    {
        try
        {
            var engine = await engines.GetAsync(stopped);
            while (true)
            {
                await Console.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{TokensLine}{engine.DrawnTokens}"));
                await Task.Delay(TimeSpan.FromMilliseconds(100), stopped);
            }
        }
        catch (OperationCanceledException)
        {
            // The host has stopped.
        }
    }
}
