using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Batch.Cli.Commands;

/// <summary>Hands jobs in and prints their ids, one a line.</summary>
internal static class SubmitCommand
{
    public static Command Create()
    {
        var file = new Argument<FileInfo?>("FILE") { Description = "JSONL file, a job a line with the fields of POST /v1/jobs", Arity = ArgumentArity.ZeroOrOne };
        var prompt = new Option<string?>("--prompt") { Description = "One job: the text to continue" };
        var model = new Option<string?>("--model") { Description = "Name of the model that the server runs" };
        var webhook = new Option<string?>("--webhook-url") { Description = "Where to send the event when the job has ended" };
        var wait = new Option<bool>("--wait") { Description = "Show the jobs' progress until all have ended" };
        var json = new Option<bool>("--json") { Description = "Print {\"id\", \"status\"} for each job" };
        var (sampling, server) = (new SamplingOptions(), new ServerOption());
        var command = new Command("submit", "Hand jobs to a running server") { file, prompt, model, webhook, wait, json };
        sampling.AddTo(command);
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            if (given.GetValue(file) is null == given.GetValue(prompt) is null)
            {
                throw new ArgumentException("give either FILE.jsonl or --prompt");
            }
            var jobs = given.GetValue(file) is { } path ? await JobFile.ReadAsync(path.FullName, cancellationToken) : [new JsonObject { ["prompt"] = given.GetValue(prompt) }];
            foreach (var job in jobs)
            {
                sampling.Write(given, job);
                SetText(job, "model", given.GetValue(model));
                SetText(job, "webhook_url", given.GetValue(webhook));
            }
            var client = server.Connect(given);
            var (ids, refused) = await SubmitAsync(client, jobs, given.GetValue(json), cancellationToken);
            var failed = given.GetValue(wait) ? (await JobWatch.RunAsync(client, ids, given.GetValue(json), cancellationToken)).Count(j => j.Status != "succeeded") : 0;
            return refused + failed == 0 ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    // A refused line does not keep the others from being submitted.
    private static async Task<(IReadOnlyList<string> Ids, int Refused)> SubmitAsync(BatchClient client, IReadOnlyList<JsonObject> jobs, bool json, CancellationToken cancellationToken)
    {
        var (ids, refused) = (new List<string>(), 0);
        for (var i = 0; i < jobs.Count; i++)
        {
            try
            {
                ids.Add(await client.SubmitAsync(jobs[i], cancellationToken));
                Console.Out.WriteLine(json ? JsonSerializer.Serialize(new { id = ids[^1], status = "queued" }) : ids[^1]);
            }
            catch (ArgumentException e)
            {
                refused++;
                Console.Error.WriteLine($"job {i + 1} of {jobs.Count} was refused: {e.Message}");
            }
        }
        return (ids, refused);
    }

    private static void SetText(JsonObject job, string name, string? value)
    {
        if (value is not null)
        {
            job[name] = value;
        }
    }
}
