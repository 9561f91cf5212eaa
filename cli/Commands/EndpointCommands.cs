using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Batch.Cli.Commands;

/// <summary>endpoints create, list, show, update, delete, rotate, deliveries, replay, test.</summary>
internal static class EndpointCommands
{
    private const string Root = "v1/webhook_endpoints";

    public static Command Create() => new("endpoints", "Where the tenant's events are sent")
    {
        CreateCreate(),
        CreateList(),
        CreateShow(),
        CreateUpdate(),
        CreateDelete(),
        CreateRotate(),
        DeliveryCommands.CreateDeliveries(),
        DeliveryCommands.CreateReplay(),
        CreateTest(),
    };

    /// <summary>The address of what has a log of deliveries: an endpoint, or a batch or job with a webhook of its own.</summary>
    public static string PathOf(string id)
    {
        var collection = id.StartsWith("we_", StringComparison.Ordinal) ? Root : id.StartsWith("batch_", StringComparison.Ordinal) ? "v1/batches" : "v1/jobs";
        return $"{collection}/{Uri.EscapeDataString(id)}";
    }

    private static Command CreateCreate()
    {
        var url = new Argument<string>("URL") { Description = "Where events are sent: https, at a public address" };
        var fields = new EndpointFields();
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("create", "Make an endpoint; its secret is shown this once") { url, json };
        fields.AddTo(command);
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var asked = fields.Read(given);
            asked["url"] = given.GetValue(url);
            PrintSecret(await server.Connect(given).SendAsync(HttpMethod.Post, Root, asked, cancellationToken), given.GetValue(json));
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateList()
    {
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("list", "Show the tenant's endpoints and how they fare") { json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var endpoints = await server.Connect(given).SendAsync(HttpMethod.Get, $"{Root}?limit=100", null, cancellationToken);
            if (given.GetValue(json))
            {
                Output.WriteJsonLines(endpoints);
                return ExitCode.Success;
            }
            var table = new Table().AddColumn("id", id => id.NoWrap()).AddColumns("url", "events", "format", "status", "failing since", "description");
            foreach (var endpoint in endpoints.GetProperty("data").EnumerateArray())
            {
                var events = string.Join('\n', endpoint.GetProperty("events").EnumerateArray().Select(type => type.GetString()));
                table.AddRow(
                    Cell(endpoint, "id"), Cell(endpoint, "url"), Markup.Escape(events), Cell(endpoint, "format"), Markup.Escape(StatusOf(endpoint)), Markup.Escape(Time(endpoint, "failing_since")),
                    Cell(endpoint, "description"));
            }
            AnsiConsole.Write(table);
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateShow() => ForOne("show", "Show an endpoint", (client, path, cancel) => client.SendAsync(HttpMethod.Get, path, null, cancel), Line);

    private static Command CreateUpdate()
    {
        var id = new Argument<string>("ID") { Description = "The endpoint" };
        var url = new Option<string?>("--to") { Description = "Where events are sent from now on" };
        var (enable, disable) = (new Option<bool>("--enable") { Description = "Send to it again" }, new Option<bool>("--disable") { Description = "Send nothing to it" });
        var fields = new EndpointFields();
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("update", "Change an endpoint, also what waits for it") { id, url, enable, disable, json };
        fields.AddTo(command);
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var asked = fields.Read(given);
            asked["url"] = given.GetValue(url);
            asked["status"] = given.GetValue(enable) ? "enabled" : given.GetValue(disable) ? "disabled" : null;
            Print(await server.Connect(given).SendAsync(HttpMethod.Post, PathOf(given.GetValue(id)!), asked, cancellationToken), given.GetValue(json), Line);
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateDelete() =>
        ForOne("delete", "Delete an endpoint; what waits for it is dropped", (client, path, cancel) => client.SendAsync(HttpMethod.Delete, path, null, cancel), gone => $"{Text(gone, "id")} is deleted");

    private static Command CreateRotate()
    {
        var id = new Argument<string>("ID") { Description = "The endpoint" };
        var overlap = new Option<int>("--overlap") { Description = "Seconds for which the old secret signs, too", DefaultValueFactory = _ => 86_400 };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("rotate", "Give an endpoint a new secret, shown this once") { id, overlap, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var asked = new JsonObject { ["overlap_seconds"] = given.GetValue(overlap) };
            PrintSecret(await server.Connect(given).SendAsync(HttpMethod.Post, $"{PathOf(given.GetValue(id)!)}/rotate_secret", asked, cancellationToken), given.GetValue(json));
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateTest()
    {
        var id = new Argument<string>("ID") { Description = "The endpoint" };
        var type = new Option<string>("--type") { Description = "The type of the event", DefaultValueFactory = _ => "batch.completed" };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("test", "Send an endpoint a made-up event, and show what came of it") { id, type, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var (client, path) = (server.Connect(given), PathOf(given.GetValue(id)!));
            var delivery = await client.SendAsync(HttpMethod.Post, $"{path}/test", new JsonObject { ["type"] = given.GetValue(type) }, cancellationToken);
            delivery = await DeliveryCommands.AttemptedAsync(client, path, delivery, cancellationToken);
            Print(delivery, given.GetValue(json), DeliveryCommands.Line);
            return Text(delivery, "status") == "delivered" ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    private static Command ForOne(string name, string description, Func<BatchClient, string, CancellationToken, Task<JsonElement>> send, Func<JsonElement, string> line)
    {
        var id = new Argument<string>("ID") { Description = "The endpoint" };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command(name, description) { id, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            Print(await send(server.Connect(given), PathOf(given.GetValue(id)!), cancellationToken), given.GetValue(json), line);
            return ExitCode.Success;
        });
        return command;
    }

    private static void PrintSecret(JsonElement endpoint, bool json)
    {
        if (!json)
        {
            Console.Error.WriteLine($"The secret of {Text(endpoint, "id")}, shown this once:");
        }
        Print(endpoint, json, made => Text(made, "secret"));
    }

    public static void Print(JsonElement answer, bool json, Func<JsonElement, string> line)
    {
        if (json)
        {
            Output.WriteJson(answer);
            return;
        }
        Console.Out.WriteLine(line(answer));
    }

    private static string Line(JsonElement endpoint)
    {
        var events = string.Join(',', endpoint.GetProperty("events").EnumerateArray().Select(type => type.GetString()));
        return $"{Text(endpoint, "id")}  {Text(endpoint, "url")}  {events}  {Text(endpoint, "format")}  {StatusOf(endpoint)}";
    }

    private static string StatusOf(JsonElement endpoint) => $"{Text(endpoint, "status")}{(Text(endpoint, "disabled_reason") is { Length: > 0 } reason ? $": {reason}" : "")}";

    public static string Text(JsonElement row, string name) => row.TryGetProperty(name, out var value) ? value.ToString() : "";

    public static string Cell(JsonElement row, string name) => Markup.Escape(Text(row, name));

    public static string Time(JsonElement row, string name) => row.TryGetProperty(name, out var seconds) && seconds.ValueKind == JsonValueKind.Number
        ? DateTimeOffset.FromUnixTimeSeconds(seconds.GetInt64()).ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture)
        : "";
}

/// <summary>The options that create and update share.</summary>
internal sealed class EndpointFields
{
    private readonly Option<string?> _events = new("--events") { Description = "Types of events, separated by commas; batch.job.* for all that begin so, * for all" };
    private readonly Option<string?> _format = new("--format") { Description = "openai or cloudevents" };
    private readonly Option<string?> _description = new("--description") { Description = "What it is for" };

    public void AddTo(Command command)
    {
        command.Options.Add(_events);
        command.Options.Add(_format);
        command.Options.Add(_description);
    }

    public JsonObject Read(ParseResult given) => new()
    {
        ["events"] = given.GetValue(_events) is { } events
            ? new JsonArray([.. events.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(type => JsonValue.Create(type))])
            : null,
        ["format"] = given.GetValue(_format),
        ["description"] = given.GetValue(_description),
    };
}
