using System.Diagnostics;
using System.Text.Json;
using Spectre.Console;

namespace Batch.Cli;

/// <summary>Follows jobs until they have ended: a live table in a terminal, a line for each end elsewhere.</summary>
internal static class JobWatch
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(400);

    /// <returns>The ended jobs in the order of <paramref name="ids"/>.</returns>
    public static async Task<IReadOnlyList<JobStatus>> RunAsync(BatchClient client, IReadOnlyList<string> ids, bool json, CancellationToken cancellationToken, Func<JobStatus, string>? label = null)
    {
        var jobs = new Dictionary<string, JobStatus>();
        var view = new View(label ?? (job => job.Id));
        if (json || Console.IsOutputRedirected)
        {
            await foreach (var job in EndsAsync(client, ids, jobs, () => { }, cancellationToken))
            {
                Console.Out.WriteLine(json ? JsonSerializer.Serialize(job.Json, Output.Json) : view.Line(job));
            }
        }
        else
        {
            await AnsiConsole.Live(view.Table(ids, jobs)).StartAsync(async live =>
            {
                void Refresh() => live.UpdateTarget(view.Table(ids, jobs));
                await foreach (var _ in EndsAsync(client, ids, jobs, Refresh, cancellationToken))
                {
                    Refresh();
                }
            });
        }
        return ids.Select(id => jobs[id]).ToList();
    }

    // Asks after every job that has not ended, again and again; yields each as it ends.
    private static async IAsyncEnumerable<JobStatus> EndsAsync(
        BatchClient client, IReadOnlyList<string> ids, Dictionary<string, JobStatus> jobs, Action polled, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var open = ids.ToList();
        while (open.Count > 0)
        {
            foreach (var id in open.ToList())
            {
                var job = jobs[id] = await client.GetAsync(id, cancellationToken);
                if (job.HasEnded)
                {
                    open.Remove(id);
                    yield return job;
                }
            }
            polled();
            if (open.Count > 0)
            {
                await Task.Delay(Interval, cancellationToken);
            }
        }
    }

    private sealed class View(Func<JobStatus, string> label)
    {
        private const int PreviewCells = 42; // a Chinese character takes two
        private readonly Stopwatch _clock = Stopwatch.StartNew();

        public string Line(JobStatus job) => $"{label(job)}  {job.Status}  {job.CompletionTokens} tokens  {job.Error ?? Preview(job)}";

        public Table Table(IReadOnlyList<string> ids, Dictionary<string, JobStatus> jobs)
        {
            var tokens = jobs.Values.Sum(j => j.CompletionTokens);
            var table = new Table { Border = TableBorder.Rounded, Expand = true, Caption = new TableTitle($"{tokens} tokens, {tokens / Math.Max(0.1, _clock.Elapsed.TotalSeconds):0} tokens/s") };
            table.AddColumns("Job", "State", "Tokens", "Text");
            table.Columns[2].RightAligned();
            foreach (var id in ids)
            {
                if (jobs.TryGetValue(id, out var job))
                {
                    table.AddRow(Markup.Escape(label(job)), $"[{Colour(job.Status)}]{job.Status}[/]", $"{job.CompletionTokens}", Markup.Escape(job.Error ?? Preview(job)));
                }
            }
            return table;
        }

        // The end of the text, where the new words appear.
        private static string Preview(JobStatus job)
        {
            var text = job.GeneratedText.ReplaceLineEndings(" ");
            var (start, cells) = (text.Length, 0);
            while (start > 0 && (cells += text[(start - 1)..start].GetCellWidth()) <= PreviewCells)
            {
                start--;
            }
            return start == 0 ? text : "…" + text[start..];
        }

        private static string Colour(string status) => status switch { "succeeded" => "green", "failed" => "red", "cancelled" or "expired" => "yellow", "running" => "blue", _ => "grey" };
    }
}
