using System.Text.Json;
using Azure.Storage.Queues;
using Batch.Jobs.Storage;

namespace Batch.Benchmarks.Chaos;

/// <summary>What there is in the end, beside what there should be.</summary>
internal sealed record ChaosOutcome(
    int Lost, int Failed, int OtherText, int Attempts, int Events, int EventIds, int WrongEventIds, int Webhooks, int WebhooksTwice, int WebhooksLost, int Calls, int CallsTwice, int CallsLost, bool DisabledOnce, int LinesLost, int LinesTwice, int LinesOtherText, bool CountsExact)
{
    public bool IsRight => Lost + Failed + OtherText + WrongEventIds + WebhooksLost + LinesLost + LinesTwice + LinesOtherText + CallsLost == 0 && CountsExact && DisabledOnce;

    public static async Task<ChaosOutcome> ReadAsync(
        Func<HttpClient> client, ChaosWork work, string batch, string connectionString, IReadOnlyList<string> texts, IReadOnlyList<string> lineTexts, WebhookReceiver receiver, string noMore, CancellationToken cancellationToken)
    {
        var (lost, failed, otherText, attempts) = (0, 0, 0, 0);
        for (var i = 0; i < work.Jobs; i++)
        {
            var job = JsonDocument.Parse(await ChaosWork.GetAsync(client, $"v1/jobs/{ChaosWork.IdOf(i)}", cancellationToken)).RootElement;
            var status = job.GetProperty("status").GetString();
            lost += status is "queued" or "running" ? 1 : 0;
            failed += status is "succeeded" or "queued" or "running" ? 0 : 1;
            otherText += status == "succeeded" && job.GetProperty("text").GetString() != texts[i] ? 1 : 0;
            attempts += job.GetProperty("attempts").GetInt32();
        }

        var events = await EventsAsync(connectionString, cancellationToken);
        string[] expected = [.. Enumerable.Range(0, work.Jobs).Select(i => $"{ChaosWork.IdOf(i)}:succeeded"), $"{batch}:completed"];
        var disabled = events.Distinct().Where(id => id.StartsWith($"{noMore}:disabled:", StringComparison.Ordinal)).ToList();
        var wrong = events.Distinct().Except(expected).Except(disabled).Count() + expected.Except(events).Count();
        var (hooks, calls) = (TakenAt(receiver, WebhookReceiver.Hook), TakenAt(receiver, WebhookReceiver.Endpoint));

        var row = JsonDocument.Parse(await ChaosWork.GetAsync(client, $"v1/batches/{batch}", cancellationToken)).RootElement;
        var counts = row.GetProperty("request_counts");
        var output = row.GetProperty("output_file_id").GetString();
        var lines = output is null ? [] : (await ChaosWork.GetAsync(client, $"v1/files/{output}/content", cancellationToken)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement).ToList();
        var byId = lines.ToLookup(line => line.GetProperty("custom_id").GetString());
        var ids = Enumerable.Range(0, work.Lines).Select(i => $"line-{i}").ToList();
        return new ChaosOutcome(
            lost, failed, otherText, attempts, events.Count, events.Distinct().Count(), wrong, hooks.Count, hooks.Values.Count(taken => taken > 1), expected[..^1].Count(id => !hooks.ContainsKey(id)),
            calls.Count, calls.Values.Count(taken => taken > 1), expected.Count(id => !calls.ContainsKey(id)), disabled.Count == 1,
            ids.Count(id => !byId.Contains(id)), ids.Count(id => byId[id].Count() > 1), ids.Where((id, i) => byId.Contains(id) && ChaosWork.TextOfBatchLine(byId[id].First()) != lineTexts[i]).Count(),
            row.GetProperty("status").GetString() == "completed" && counts.GetProperty("completed").GetInt32() == work.Lines && counts.GetProperty("total").GetInt32() == work.Lines && counts.GetProperty("failed").GetInt32() == 0);
    }

    private static Dictionary<string, int> TakenAt(WebhookReceiver receiver, string path) => receiver.Taken.Where(taken => taken.Key.Path == path).ToDictionary(taken => taken.Key.Id, taken => taken.Value);

    private static async Task<List<string>> EventsAsync(string connectionString, CancellationToken cancellationToken)
    {
        var (queue, ids) = (new QueueClient(connectionString, JobQueues.Events, StorageClients.QueueOptions), new List<string>());
        while ((await queue.ReceiveMessagesAsync(32, TimeSpan.FromMinutes(10), cancellationToken)).Value is { Length: > 0 } messages)
        {
            ids.AddRange(messages.Select(message => JsonDocument.Parse(message.Body).RootElement.GetProperty("id").GetString()!));
        }

        return ids;
    }
}
