using System.CommandLine;
using System.Text.Json;

namespace Batch.Cli.Commands;

/// <summary>watch, result and cancel: what one does with jobs that are handed in.</summary>
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

    public static Command CreateCancel()
    {
        var id = new Argument<string>("ID") { Description = "The job" };
        var json = new Option<bool>("--json") { Description = "Print the job as JSON" };
        var server = new ServerOption();
        var command = new Command("cancel", "Stop a job; the text so far is kept") { id, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var job = await server.Connect(given).CancelAsync(given.GetValue(id)!, cancellationToken);
            Console.Out.WriteLine(given.GetValue(json) ? JsonSerializer.Serialize(job.Json, Output.Json) : $"{job.Id} {job.Status}");
            return ExitCode.Success;
        });
        return command;
    }
}
