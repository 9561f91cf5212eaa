using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Batch.Cli.Commands;

/// <summary>batches create, list, show, cancel, pause, resume, resubmit, results: what OpenAI's clients do, from a terminal.</summary>
internal static class BatchCommands
{
    private static readonly string[] Ends = ["completed", "failed", "cancelled", "expired"];

    public static Command Create() => new("batches", "Run files of many requests, as OpenAI's Batch API does")
    {
        CreateCreate(),
        CreateList(),
        CreateShow(),
        CreateResults(),
        OnBatch("cancel", "End a batch early; what has ended is kept"),
        OnBatch("pause", "Admit no more lines until it is resumed"),
        OnBatch("resume", "Let a paused batch go on"),
        OnBatch("resubmit", "Make a new batch of the lines that have not succeeded"),
    };

    private static Command CreateCreate()
    {
        var file = new Argument<FileInfo>("FILE") { Description = "JSONL file, a line a request: custom_id, method, url, body" };
        var endpoint = new Option<string>("--endpoint") { Description = "The url of its lines", DefaultValueFactory = _ => "/v1/completions" };
        var window = new Option<string>("--window") { Description = "When it expires: 24h, 30m, 7d", DefaultValueFactory = _ => "24h" };
        var priority = new Option<int>("--priority") { Description = "Higher numbers are admitted first" };
        var webhook = new Option<string?>("--webhook-url") { Description = "Where to send the event when the batch has ended" };
        var wait = new Option<bool>("--wait") { Description = "Show the batch's progress until it has ended" };
        var json = Output.JsonOption("Print the batch as JSON; with --wait as it ended");
        var server = new ServerOption();
        var command = new Command("create", "Upload a file and make a batch of it") { file, endpoint, window, priority, webhook, wait, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var client = server.Connect(given);
            var input = (await client.UploadAsync(given.GetValue(file)!, cancellationToken)).GetProperty("id").GetString();
            var batch = await client.SendAsync(
                HttpMethod.Post,
                "v1/batches",
                new JsonObject
                {
                    ["input_file_id"] = input,
                    ["endpoint"] = given.GetValue(endpoint),
                    ["completion_window"] = given.GetValue(window),
                    ["priority"] = given.GetValue(priority),
                    ["webhook_url"] = given.GetValue(webhook),
                },
                cancellationToken);
            if (!given.GetValue(json))
            {
                Console.Out.WriteLine(batch.GetProperty("id").GetString());
            }
            batch = given.GetValue(wait) ? await WaitAsync(client, batch.GetProperty("id").GetString()!, cancellationToken) : batch;
            if (given.GetValue(json))
            {
                Output.WriteJson(batch);
            }
            return !given.GetValue(wait) || HasSucceeded(batch) ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    private static Command CreateList()
    {
        var limit = new Option<int>("--limit") { Description = "1 to 100", DefaultValueFactory = _ => 20 };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("list", "Show the newest batches, one a line") { limit, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var page = await server.Connect(given).SendAsync(HttpMethod.Get, $"v1/batches?limit={given.GetValue(limit)}", null, cancellationToken);
            if (given.GetValue(json))
            {
                Output.WriteJsonLines(page);
                return ExitCode.Success;
            }
            foreach (var batch in page.GetProperty("data").EnumerateArray())
            {
                Console.Out.WriteLine(Line(batch));
            }
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateShow()
    {
        var id = new Argument<string>("ID") { Description = "The batch" };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("show", "Show a batch: counts, speed, what it waits for") { id, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var batch = await server.Connect(given).SendAsync(HttpMethod.Get, Address(given.GetValue(id)!), null, cancellationToken);
            Write(batch, given.GetValue(json));
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateResults()
    {
        var id = new Argument<string>("ID") { Description = "The batch" };
        var errors = new Option<bool>("--errors") { Description = "The error file instead of the output file" };
        var server = new ServerOption();
        var command = new Command("results", "Print the lines that have ended, while the batch runs too") { id, errors };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var client = server.Connect(given);
            var batch = await client.SendAsync(HttpMethod.Get, Address(given.GetValue(id)!), null, cancellationToken);
            if (batch.GetProperty(given.GetValue(errors) ? "error_file_id" : "output_file_id").GetString() is { } file)
            {
                await client.DownloadAsync($"v1/files/{file}/content", Console.OpenStandardOutput(), cancellationToken);
            }
            return ExitCode.Success;
        });
        return command;
    }

    private static Command OnBatch(string verb, string description)
    {
        var id = new Argument<string>("ID") { Description = "The batch" };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command(verb, description) { id, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            Write(await server.Connect(given).SendAsync(HttpMethod.Post, $"{Address(given.GetValue(id)!)}/{verb}", null, cancellationToken), given.GetValue(json));
            return ExitCode.Success;
        });
        return command;
    }

    private static async Task<JsonElement> WaitAsync(BatchClient client, string id, CancellationToken cancellationToken)
    {
        while (true)
        {
            var batch = await client.SendAsync(HttpMethod.Get, Address(id), null, cancellationToken);
            Console.Error.WriteLine(Line(batch));
            if (Ends.Contains(batch.GetProperty("status").GetString()))
            {
                return batch;
            }
            await Task.Delay(TimeSpan.FromSeconds(2), cancellationToken);
        }
    }

    private static bool HasSucceeded(JsonElement batch) =>
        batch.GetProperty("status").GetString() == "completed" && batch.GetProperty("request_counts").GetProperty("failed").GetInt32() == 0;

    private static void Write(JsonElement batch, bool json)
    {
        if (json)
        {
            Output.WriteJson(batch);
            return;
        }
        Console.Out.WriteLine(Line(batch));
    }

    private static string Line(JsonElement batch)
    {
        var counts = batch.GetProperty("request_counts");
        var progress = batch.GetProperty("progress");
        var eta = progress.ValueKind == JsonValueKind.Object && progress.GetProperty("eta_seconds") is { ValueKind: JsonValueKind.Number } seconds
            ? string.Create(CultureInfo.InvariantCulture, $", {progress.GetProperty("lines_per_second").GetDouble():0.#} lines/s, {seconds.GetDouble():0} s left") : "";
        var waits = progress.ValueKind == JsonValueKind.Object && progress.GetProperty("waiting_for").GetString() is { } reason ? $", {reason}" : "";
        return $"{batch.GetProperty("id").GetString()}  {batch.GetProperty("status").GetString()}  {counts.GetProperty("completed")} completed, {counts.GetProperty("failed")} failed of {counts.GetProperty("total")}{eta}{waits}";
    }

    private static string Address(string id) => $"v1/batches/{Uri.EscapeDataString(id)}";
}
