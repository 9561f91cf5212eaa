using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Batch.Cli.Commands;

/// <summary>endpoints deliveries and replay: the log of what was sent, and sending it again.</summary>
internal static class DeliveryCommands
{
    private static readonly TimeSpan Between = TimeSpan.FromMilliseconds(300);

    public static Command CreateDeliveries()
    {
        var id = new Argument<string>("ID") { Description = "The endpoint, or a batch or job with a webhook of its own" };
        var delivery = new Argument<string?>("DELIVERY") { Description = "Show this one whole, with its body, as JSON", Arity = ArgumentArity.ZeroOrOne };
        var status = new Option<string?>("--status") { Description = "pending, delivered or failed" };
        var limit = new Option<int>("--limit") { Description = "1 to 100", DefaultValueFactory = _ => 20 };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("deliveries", "Show what was sent, newest first") { id, delivery, status, limit, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var (client, path) = (server.Connect(given), $"{EndpointCommands.PathOf(given.GetValue(id)!)}/deliveries");
            if (given.GetValue(delivery) is { } one)
            {
                Output.WriteJson(await client.SendAsync(HttpMethod.Get, $"{path}/{Uri.EscapeDataString(one)}", null, cancellationToken));
                return ExitCode.Success;
            }
            var filter = given.GetValue(status) is { } wanted ? $"&status={Uri.EscapeDataString(wanted)}" : "";
            var page = await client.SendAsync(HttpMethod.Get, $"{path}?limit={given.GetValue(limit)}{filter}", null, cancellationToken);
            if (given.GetValue(json))
            {
                Output.WriteJsonLines(page);
                return ExitCode.Success;
            }
            Show(page);
            return ExitCode.Success;
        });
        return command;
    }

    public static Command CreateReplay()
    {
        var id = new Argument<string>("ID") { Description = "The endpoint, or a batch or job with a webhook of its own" };
        var delivery = new Argument<string?>("DELIVERY") { Description = "The delivery to send again; none with --failed", Arity = ArgumentArity.ZeroOrOne };
        var failed = new Option<bool>("--failed") { Description = "Send again to this endpoint what failed" };
        var since = new Option<DateTimeOffset?>("--since") { Description = "With --failed: of events since this time, such as 2027-01-31T00:00Z" };
        var json = Output.JsonOption("Print the delivery as JSON or, with --failed, how many");
        var server = new ServerOption();
        var command = new Command("replay", "Send again, with the same body and id") { id, delivery, failed, since, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var (client, path) = (server.Connect(given), EndpointCommands.PathOf(given.GetValue(id)!));
            if (given.GetValue(delivery) is null != given.GetValue(failed))
            {
                throw new ArgumentException("give the id of a delivery, or --failed");
            }
            if (given.GetValue(delivery) is { } one)
            {
                var replayed = await client.SendAsync(HttpMethod.Post, $"{path}/deliveries/{Uri.EscapeDataString(one)}/replay", null, cancellationToken);
                replayed = await AttemptedAsync(client, path, replayed, cancellationToken);
                EndpointCommands.Print(replayed, given.GetValue(json), Line);
                return EndpointCommands.Text(replayed, "status") == "delivered" ? ExitCode.Success : ExitCode.Failure;
            }
            var again = JsonSerializer.SerializeToElement(new { replayed = await ReplayFailedAsync(client, path, given.GetValue(since), cancellationToken) });
            EndpointCommands.Print(again, given.GetValue(json), counted => $"{counted.GetProperty("replayed")} deliveries are sent again");
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>The delivery once one more attempt was made than <paramref name="asked"/> knows of.</summary>
    public static async Task<JsonElement> AttemptedAsync(BatchClient client, string path, JsonElement asked, CancellationToken cancellationToken)
    {
        var known = LastNumber(asked);
        while (true)
        {
            var delivery = await client.SendAsync(HttpMethod.Get, $"{path}/deliveries/{EndpointCommands.Text(asked, "id")}", null, cancellationToken);
            if (LastNumber(delivery) > known)
            {
                return delivery;
            }
            await Task.Delay(Between, cancellationToken);
        }
    }

    // A call replays so many and says where the next begins.
    private static async Task<int> ReplayFailedAsync(BatchClient client, string path, DateTimeOffset? since, CancellationToken cancellationToken)
    {
        var (replayed, after) = (0, (string?)null);
        while (true)
        {
            var asked = new JsonObject { ["since"] = since?.ToUnixTimeSeconds(), ["after"] = after };
            var done = await client.SendAsync(HttpMethod.Post, $"{path}/replay_failed", asked, cancellationToken);
            replayed += done.GetProperty("replayed").GetInt32();
            if (!done.GetProperty("has_more").GetBoolean())
            {
                return replayed;
            }
            after = done.GetProperty("last_id").GetString();
        }
    }

    /// <summary>A delivery in a line, with what came of its latest attempt.</summary>
    public static string Line(JsonElement delivery)
    {
        var last = delivery.GetProperty("attempts").EnumerateArray().LastOrDefault();
        var answer = last.ValueKind == JsonValueKind.Undefined ? "not attempted yet"
            : $"attempt {last.GetProperty("number")}: {(EndpointCommands.Text(last, "error") is { Length: > 0 } error ? error : EndpointCommands.Text(last, "status_code"))}";
        return $"{EndpointCommands.Text(delivery, "id")}  {EndpointCommands.Text(delivery, "event_type")}  {EndpointCommands.Text(delivery, "status")}  {answer}";
    }

    private static int LastNumber(JsonElement delivery) =>
        delivery.GetProperty("attempts").EnumerateArray().Select(attempt => attempt.GetProperty("number").GetInt32()).LastOrDefault();

    private static void Show(JsonElement page)
    {
        var table = new Table().AddColumn("delivery", id => id.NoWrap()).AddColumns("event", "type", "status", "attempts", "last attempt", "code", "ms", "error", "next attempt");
        foreach (var delivery in page.GetProperty("data").EnumerateArray())
        {
            var attempts = delivery.GetProperty("attempts").EnumerateArray().ToList();
            var last = attempts.Count > 0 ? attempts[^1] : JsonElement.Parse("{}");
            table.AddRow(
                EndpointCommands.Cell(delivery, "id"), EndpointCommands.Cell(delivery, "event_id"), EndpointCommands.Cell(delivery, "event_type"), EndpointCommands.Cell(delivery, "status"),
                EndpointCommands.Cell(last, "number"), EndpointCommands.Time(last, "at"), EndpointCommands.Cell(last, "status_code"), EndpointCommands.Cell(last, "duration_ms"),
                EndpointCommands.Cell(last, "error"), EndpointCommands.Time(delivery, "next_attempt_at"));
        }
        AnsiConsole.Write(table);
    }
}
