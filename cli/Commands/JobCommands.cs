using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Batch.Cli.Commands;

/// <summary>watch, result, cancel and replay: what one does with jobs that are handed in.</summary>
internal static class JobCommands
{
    public static Command CreateWatch()
    {
        var ids = new Argument<string[]>("ID") { Description = "Jobs to watch; without any, the newest jobs that have not ended", Arity = ArgumentArity.ZeroOrMore };
        var json = new Option<bool>("--json") { Description = "Print each job as one JSON line when it ends" };
        var server = new ServerOption();
        var command = new Command("watch", "Show jobs' progress and text until they have ended") { ids, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var client = server.Connect(given);
            var watched = given.GetValue(ids) is { Length: > 0 } named ? named
                : (await client.ListAsync(100, cancellationToken)).Where(j => !j.HasEnded).Select(j => j.Id).ToArray();
            if (watched.Length == 0)
            {
                Console.Error.WriteLine("no job is waiting or running");
                return ExitCode.Success;
            }
            var ended = await JobWatch.RunAsync(client, watched, given.GetValue(json), cancellationToken);
            return ended.All(j => j.Status == "succeeded") ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    public static Command CreateResult()
    {
        var id = new Argument<string>("ID") { Description = "The job" };
        var json = new Option<bool>("--json") { Description = "Print the whole job as JSON" };
        var server = new ServerOption();
        var command = new Command("result", "Print a job's text") { id, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var job = await server.Connect(given).GetAsync(given.GetValue(id)!, cancellationToken);
            Console.Out.WriteLine(given.GetValue(json) ? JsonSerializer.Serialize(job.Json, Output.Json) : job.GeneratedText);
            if (job.Status != "succeeded")
            {
                Console.Error.WriteLine($"{job.Id} is {job.Status}{(job.Error is { } error ? $" ({error})" : "")}");
            }
            return job.Status == "succeeded" ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    public static Command CreateCancel() => OnJob("cancel", "Stop a job; the text so far is kept", (client, id, token) => client.CancelAsync(id, token));

    public static Command CreateReplay()
    {
        var id = new Argument<string?>("ID") { Description = "The job", Arity = ArgumentArity.ZeroOrOne };
        var all = new Option<bool>("--all") { Description = "Every failed job that the other options mean" };
        var code = new Option<string?>("--code") { Description = "Those that failed with this code, such as retries_exhausted" };
        var since = new Option<string?>("--since") { Description = "Those submitted from then on: 2026-03-04T05:06:07Z" };
        var json = Output.JsonOption("Print the job as JSON or, of several, how many");
        var server = new ServerOption();
        var command = new Command("replay", "Let failed jobs run again, under their ids and seeds: one, or those that the options mean") { id, all, code, since, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var client = server.Connect(given);
            var filter = new JsonObject();
            foreach (var (name, value) in new[] { ("code", given.GetValue(code)), ("since", given.GetValue(since)) })
            {
                if (value is not null)
                {
                    filter[name] = value;
                }
            }
            if (given.GetValue(id) is { } one)
            {
                var job = filter.Count == 0 && !given.GetValue(all) ? await client.ReplayAsync(one, cancellationToken)
                    : throw new ArgumentException("give the id of a job, or the options that mean several, not both");
                Console.Out.WriteLine(given.GetValue(json) ? JsonSerializer.Serialize(job.Json, Output.Json) : $"{job.Id} {job.Status}");
                return ExitCode.Success;
            }
            if (filter.Count == 0 && !given.GetValue(all))
            {
                throw new ArgumentException("give the id of a job, or one of --all, --code and --since");
            }
            var replayed = await client.ReplayAllAsync(filter, cancellationToken);
            Console.Out.WriteLine(given.GetValue(json) ? JsonSerializer.Serialize(new { replayed }, Output.Json) : $"{replayed} jobs run again");
            return ExitCode.Success;
        });
        return command;
    }

    private static Command OnJob(string name, string description, Func<BatchClient, string, CancellationToken, Task<JobStatus>> act)
    {
        var id = new Argument<string>("ID") { Description = "The job" };
        var json = new Option<bool>("--json") { Description = "Print the job as JSON" };
        var server = new ServerOption();
        var command = new Command(name, description) { id, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var job = await act(server.Connect(given), given.GetValue(id)!, cancellationToken);
            Console.Out.WriteLine(given.GetValue(json) ? JsonSerializer.Serialize(job.Json, Output.Json) : $"{job.Id} {job.Status}");
            return ExitCode.Success;
        });
        return command;
    }
}
