using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Batch.Cli.Commands;

/// <summary>schedules create, list, show, run, pause, resume, delete, history.</summary>
internal static class ScheduleCommands
{
    public static Command Create() => new("schedules", "Jobs by the clock")
    {
        CreateCreate(),
        CreateList(),
        ForOne("show", "Show a schedule and its next runs", (client, path, cancel) => client.SendAsync(HttpMethod.Get, path, null, cancel), Line),
        ForOne("run", "Run a schedule now, beside its times", (client, path, cancel) => client.SendAsync(HttpMethod.Post, $"{path}/run", null, cancel), RunLine),
        ForOne("pause", "Stop a schedule", (client, path, cancel) => client.SendAsync(HttpMethod.Post, path, new JsonObject { ["paused"] = true }, cancel), Line),
        ForOne("resume", "Let a schedule run again, from its next time on", (client, path, cancel) => client.SendAsync(HttpMethod.Post, path, new JsonObject { ["paused"] = false }, cancel), Line),
        ForOne("delete", "Delete a schedule; the jobs that it made stay", (client, path, cancel) => client.SendAsync(HttpMethod.Delete, path, null, cancel), gone => $"{gone.GetProperty("id").GetString()} is deleted"),
        CreateHistory(),
    };

    private static Command CreateCreate()
    {
        var file = new Argument<FileInfo>("FILE") { Description = "JSON: cron, time_zone, job, and what else POST /v1/schedules takes" };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("create", "Make a schedule") { file, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var path = given.GetValue(file)!.FullName;
            var definition = Parse(path, await File.ReadAllTextAsync(path, cancellationToken));
            Print(await server.Connect(given).SendAsync(HttpMethod.Post, "v1/schedules", definition, cancellationToken), given.GetValue(json), Line);
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateList()
    {
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("list", "Show the schedules with their next time") { json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var schedules = await server.Connect(given).SendAsync(HttpMethod.Get, "v1/schedules", null, cancellationToken);
            if (given.GetValue(json))
            {
                Output.WriteJsonLines(schedules);
                return ExitCode.Success;
            }
            var table = new Table().AddColumn("id", id => id.NoWrap()).AddColumns("name", "cron", "time zone", "runs", "next");
            foreach (var schedule in schedules.GetProperty("data").EnumerateArray())
            {
                var definition = schedule.GetProperty("definition");
                var next = schedule.GetProperty("next_runs").EnumerateArray().Select(time => time.GetString()).FirstOrDefault();
                table.AddRow(
                    Cell(schedule, "id"), Cell(definition, "name"), Cell(definition, "cron"), Cell(definition, "time_zone", "UTC"), Cell(schedule, "runs"),
                    Markup.Escape(schedule.GetProperty("paused").GetBoolean() ? "paused" : next ?? "never"));
            }
            AnsiConsole.Write(table);
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateHistory()
    {
        var id = new Argument<string>("ID");
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("history", "Show the runs of a schedule, newest first") { id, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var runs = await server.Connect(given).SendAsync(HttpMethod.Get, $"{Path(given.GetValue(id)!)}/runs?limit=100", null, cancellationToken);
            if (given.GetValue(json))
            {
                Output.WriteJsonLines(runs);
                return ExitCode.Success;
            }
            var table = new Table().AddColumns("run", "for", "status", "jobs", "refused", "missed before", "first job", "error");
            foreach (var run in runs.GetProperty("data").EnumerateArray())
            {
                var time = DateTimeOffset.FromUnixTimeSeconds(run.GetProperty("scheduled_for").GetInt64()).ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
                table.AddRow(Cell(run, "number"), time, Cell(run, "status"), Cell(run, "jobs"), Cell(run, "refused"), Cell(run, "missed"), Cell(run, "first_job_id"), Cell(run, "error"));
            }
            AnsiConsole.Write(table);
            return ExitCode.Success;
        });
        return command;
    }

    private static Command ForOne(string name, string description, Func<BatchClient, string, CancellationToken, Task<JsonElement>> send, Func<JsonElement, string> line)
    {
        var id = new Argument<string>("ID") { Description = "The schedule" };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command(name, description) { id, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            Print(await send(server.Connect(given), Path(given.GetValue(id)!), cancellationToken), given.GetValue(json), line);
            return ExitCode.Success;
        });
        return command;
    }

    private static string Path(string id) => $"v1/schedules/{Uri.EscapeDataString(id)}";

    private static string Cell(JsonElement row, string name, string otherwise = "") =>
        Markup.Escape(row.TryGetProperty(name, out var value) ? value.ToString() : otherwise);

    private static void Print(JsonElement answer, bool json, Func<JsonElement, string> line)
    {
        if (json)
        {
            Output.WriteJson(answer);
            return;
        }
        Console.Out.WriteLine(line(answer));
    }

    private static string Line(JsonElement schedule)
    {
        var definition = schedule.GetProperty("definition");
        var next = schedule.GetProperty("paused").GetBoolean() ? "paused" : string.Join(", ", schedule.GetProperty("next_runs").EnumerateArray().Select(time => time.GetString()));
        return $"{schedule.GetProperty("id").GetString()}  {definition.GetProperty("cron").GetString()}  {schedule.GetProperty("runs")} runs  {(next.Length == 0 ? "no time left" : next)}";
    }

    private static string RunLine(JsonElement run) =>
        $"{run.GetProperty("id").GetString()}  {run.GetProperty("status").GetString()}  {run.GetProperty("jobs")} jobs{(run.TryGetProperty("error", out var error) ? $"  {error.GetString()}" : "")}";

    private static JsonNode Parse(string path, string text)
    {
        try
        {
            return JsonNode.Parse(text) ?? throw new InvalidDataException($"{path} must hold a JSON object, held null");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path} is not JSON: {e.Message}", e);
        }
    }
}
