using System.Globalization;
using System.Text.Json.Nodes;
using Azure.Storage.Queues;
using Batch.Jobs.Storage;
using Spectre.Console;

namespace Batch.Cli;

/// <summary>What the demo shows when its jobs have ended: the texts, and what lies where in the storage.</summary>
internal static class DemoReport
{
    public static void Texts(IReadOnlyList<DemoJob> jobs, IReadOnlyList<JobStatus> ended)
    {
        foreach (var (job, end) in jobs.Zip(ended))
        {
            var outcome = $"{end.Status}{(end.FinishReason is { } reason ? $" ({reason})" : "")}, {end.CompletionTokens} tokens";
            AnsiConsole.WriteLine();
            AnsiConsole.Write(new Rule($"[bold]{Markup.Escape(job.Title)}[/]  [grey]{outcome}[/]") { Justification = Justify.Left });
            if (end.Error is { } error)
            {
                AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[red]{error}[/]");
                continue;
            }
            AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[grey]{job.Prompt}[/]{end.GeneratedText}");
        }
        AnsiConsole.WriteLine();
    }

    /// <summary>The events as a consumer would take them from the queue, and where the results are.</summary>
    public static async Task StorageAsync(string connection, IReadOnlyList<JobStatus> ended, CancellationToken cancellationToken)
    {
        AnsiConsole.Write(new Rule($"[bold]Events on queue {JobQueues.Events}[/]") { Justification = Justify.Left });
        foreach (var (type, id) in await EventsAsync(connection, ended.Count, cancellationToken))
        {
            Console.Out.WriteLine($"{type,-20} {id}");
        }
        AnsiConsole.Write(new Rule("[bold]Result blobs[/]") { Justification = Justify.Left });
        foreach (var url in ended.Select(job => job.ResultUrl).OfType<string>())
        {
            Console.Out.WriteLine(url);
        }
        AnsiConsole.WriteLine();
    }

    // Every job ends with one event; the last may still be on its way when its job is seen to have ended.
    private static async Task<IReadOnlyList<(string Type, string Id)>> EventsAsync(string connection, int expected, CancellationToken cancellationToken)
    {
        var queue = new QueueClient(connection, JobQueues.Events, StorageClients.QueueOptions);
        for (var attempt = 0; ; attempt++)
        {
            var messages = (await queue.PeekMessagesAsync(32, cancellationToken)).Value;
            if (messages.Length >= Math.Min(expected, 32) || attempt == 20)
            {
                return messages.Select(m => JsonNode.Parse(m.Body)!).Select(e => (e["type"]!.ToString(), e["id"]!.ToString())).ToList();
            }
            await Task.Delay(TimeSpan.FromMilliseconds(250), cancellationToken);
        }
    }
}
