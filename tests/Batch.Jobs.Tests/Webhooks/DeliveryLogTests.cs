using Batch.Jobs.Events;
using Batch.Jobs.Requests;
using Batch.Jobs.Retention;
using Batch.Jobs.Storage;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Tests.Webhooks;

/// <summary>The log of deliveries: its lists, replays, test events and end.</summary>
public sealed class DeliveryLogTests(StorageEmulator storage)
{
    private static readonly WebhookOptions Local = new() { Secret = TestWebhooks.Secret, AllowHttp = true, AllowPrivateAddresses = true, RetentionDays = 10 };

    private readonly string _tenant = $"t{Guid.NewGuid():N}";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ListAsync_GivesEachStatusInPages_NewestFirst()
    {
        await using var receiver = new RawReceiver(request => request.Id.StartsWith("batch_ok", StringComparison.Ordinal) ? RawReceiver.Ok : RawReceiver.Status(500));
        var (webhooks, log) = await WithEventsAsync(receiver, "batch_ok1", "batch_bad1", "batch_ok2", "batch_bad2", "batch_bad3");
        var all = await webhooks.Deliveries.ListAsync(log, null, null, Cancellation).ToListAsync(Cancellation);
        foreach (var delivery in all.Where(delivery => delivery.EventId[..9] is "batch_ok1" or "batch_ok2" or "batch_bad"))
        {
            await webhooks.AttemptAsync(delivery);
        }

        await FailAsync(webhooks, all.First(delivery => delivery.EventId == "batch_bad1:completed"));
        await FailAsync(webhooks, all.First(delivery => delivery.EventId == "batch_bad2:completed"));

        Assert.Equal(["batch_bad3", "batch_bad2", "batch_ok2", "batch_bad1", "batch_ok1"], await SubjectsAsync(null));
        Assert.Equal(["batch_ok2", "batch_ok1"], await SubjectsAsync("delivered"));
        Assert.Equal(["batch_bad2", "batch_bad1"], await SubjectsAsync("failed"));
        Assert.Equal(["batch_bad3"], await SubjectsAsync("pending"));
        Assert.Contains("pending, delivered or failed", (await Assert.ThrowsAsync<InvalidJobException>(() => webhooks.Log.ListAsync(log, "lost", null, 1, Cancellation))).Message, StringComparison.Ordinal);

        async Task<List<string>> SubjectsAsync(string? status)
        {
            var (subjects, after) = (new List<string>(), (string?)null);
            while (true)
            {
                var page = await webhooks.Log.ListAsync(log, status, after, 1, Cancellation);
                subjects.AddRange(page.Data.Select(delivery => delivery.EventId.Split(':')[0]));
                if (!page.HasMore)
                {
                    return subjects;
                }

                after = page.LastId;
            }
        }
    }

    [Fact]
    public async Task ReplayAsync_SendsTheSameBodyAndIdAndClimbsAnew()
    {
        var answers = RawReceiver.Status(500);
        await using var receiver = new RawReceiver(_ => answers);
        var (webhooks, log) = await WithEventsAsync(receiver, "batch_1");
        await webhooks.ClearAsync();
        var delivery = await FailAsync(webhooks, await webhooks.Deliveries.ListAsync(log, null, null, Cancellation).SingleAsync(Cancellation));

        await webhooks.Log.ReplayAsync(log, delivery.Id, Cancellation);
        await webhooks.Log.ReplayAsync(log, delivery.Id, Cancellation);
        Assert.Null(await webhooks.PumpAsync());

        delivery = (await webhooks.Deliveries.FindAsync(log, delivery.Id, Cancellation))!;
        Assert.Equal((WebhookState.Pending, 11), (delivery.State, delivery.Attempts));
        Assert.InRange((delivery.NextAttemptAt - webhooks.Time.GetUtcNow())!.Value.TotalSeconds, 5, 6);
        answers = RawReceiver.Ok;
        Assert.Equal(WebhookState.Delivered, (await webhooks.AttemptAsync(delivery)).State);
        Assert.Empty(await webhooks.Deliveries.ListAsync(log, null, WebhookState.Failed, Cancellation).ToListAsync(Cancellation));

        // Also what was delivered.
        await webhooks.Log.ReplayAsync(log, delivery.Id, Cancellation);
        Assert.Null(await webhooks.PumpAsync());
        Assert.Equal(3, receiver.Requests.Count);
        Assert.Single(receiver.Requests.Select(request => (request.Id, request.Body)).Distinct());
    }

    [Fact]
    public async Task ReplayFailedAsync_TakesWhatFailedOfEventsSinceATime()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Ok);
        var (webhooks, log) = await WithEventsAsync(receiver, "batch_1", "batch_2", "batch_3");
        await webhooks.ClearAsync();
        var all = await webhooks.Deliveries.ListAsync(log, null, null, Cancellation).ToListAsync(Cancellation);
        foreach (var delivery in all)
        {
            await FailAsync(webhooks, delivery);
        }

        var some = await webhooks.Log.ReplayFailedAsync(log, ReplayRequest.Parse(System.Text.Encoding.UTF8.GetBytes($$"""{"since":{{all[1].CreatedAt.ToUnixTimeSeconds()}}}""")), Cancellation);
        Assert.Null(await webhooks.PumpAsync());

        Assert.Equal(new ReplayView(2, false, all[1].Id), some);
        Assert.Equal(["batch_2:completed", "batch_3:completed"], receiver.Requests.Select(request => request.Id).Order(StringComparer.Ordinal));
        var rest = await webhooks.Log.ReplayFailedAsync(log, ReplayRequest.Parse(default), Cancellation);
        Assert.Equal(1, rest.Replayed);
    }

    [Fact]
    public async Task ReplayLog_OfADisabledEndpoint_IsRefused()
    {
        var webhooks = await TestWebhooks.StartAsync(storage, Local);
        var made = await webhooks.CreateAsync(_tenant, """{"url":"https://example.org","status":"disabled"}""");

        var replay = await Assert.ThrowsAsync<InvalidJobException>(() => webhooks.Log.LogOfEndpointAsync(made.Id, TestWebhooks.Owner(_tenant), Cancellation, mustBeEnabled: true));
        var test = await Assert.ThrowsAsync<InvalidJobException>(() => webhooks.Control.TestAsync(made.Id, default, TestWebhooks.Owner(_tenant), Cancellation));

        Assert.Equal((JobErrorCode.WebhookEndpointDisabled, JobErrorCode.WebhookEndpointDisabled), (replay.Code, test.Code));
    }

    [Fact]
    public async Task TestAsync_SendsOneEventOfAnyType_WhichSaysNothingOfTheEndpoint()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Status(500));
        var webhooks = await TestWebhooks.StartAsync(storage, Local);
        var made = await webhooks.CreateAsync(_tenant, $$"""{"url":"{{receiver.Url}}","events":["batch.completed"],"format":"cloudevents"}""");

        var sent = await webhooks.Control.TestAsync(made.Id, """{"type":"batch.job.failed"}"""u8.ToArray(), TestWebhooks.Owner(_tenant), Cancellation);
        Assert.Null(await webhooks.PumpAsync());

        var view = await webhooks.Log.GetAsync(DeliveryLog.OfEndpoint(made.Id), sent.Id, Cancellation);
        Assert.Equal((true, "batch.job.failed", WebhookState.Failed, 1), (view.Test, view.EventType, view.Status, view.Attempts.Count));
        Assert.Contains("\"test\":true", Assert.Single(receiver.Requests).Body, StringComparison.Ordinal);
        Assert.Null((await webhooks.Endpoints.FindAsync(_tenant, made.Id, Cancellation))!.FailingSince);
        var error = await Assert.ThrowsAsync<InvalidJobException>(() => webhooks.Control.TestAsync(made.Id, """{"type":"batch.done"}"""u8.ToArray(), TestWebhooks.Owner(_tenant), Cancellation));
        Assert.Contains("was \"batch.done\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Deliveries_OfADeletedEndpoint_AreDropped()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Ok);
        var (webhooks, log) = await WithEventsAsync(receiver, "batch_1");
        var delivery = await webhooks.Deliveries.ListAsync(log, null, null, Cancellation).SingleAsync(Cancellation);
        await webhooks.Control.DeleteAsync(delivery.EndpointId!, TestWebhooks.Owner(_tenant), Cancellation);

        Assert.Null(await webhooks.PumpAsync());

        Assert.Empty(receiver.Requests);
        Assert.Equal(0, await webhooks.WaitingAsync());
    }

    [Fact]
    public async Task SweepAsync_RemovesWhatIsOverWithAllItsRows_WhenItCrashesAfterAnyWrite()
    {
        var faults = new StorageFaults();
        var webhooks = await TestWebhooks.StartAsync(storage, Local, faults: faults);
        await SweepAsync(TimeSpan.FromDays(3650)); // what other tests left
        for (var write = 1; ; write++)
        {
            var made = await webhooks.CreateAsync($"{_tenant}-{write}", """{"url":"https://example.org"}""");
            await webhooks.TellAsync($"{_tenant}-{write}", subject: "batch_1");
            webhooks.Time.Advance(TimeSpan.FromDays(1));
            await webhooks.TellAsync($"{_tenant}-{write}", subject: "batch_2");
            faults.CrashAfterWrite(write);
            var crash = await Record.ExceptionAsync(() => SweepAsync(TimeSpan.FromDays(9)));
            faults.Revive();

            await SweepAsync(TimeSpan.Zero);

            Assert.Equal("batch_2:completed", Assert.Single(await webhooks.DeliveriesAsync(made.Id)).EventId);
            Assert.Equal(3, (await webhooks.RowsAsync(DeliveryStore.DeliveriesTable, DeliveryLog.OfEndpoint(made.Id))).Count);
            await SweepAsync(TimeSpan.FromDays(30));
            Assert.Empty(await webhooks.RowsAsync(DeliveryStore.DeliveriesTable, DeliveryLog.OfEndpoint(made.Id)));
            if (crash is null)
            {
                Assert.Equal(5, write);
                break;
            }
        }

        Task SweepAsync(TimeSpan later)
        {
            webhooks.Time.Advance(later);
            return new Sweeper([new DeliveryExpiry(webhooks.Deliveries, Options.Create(Local))], webhooks.Clients, webhooks.Metrics, webhooks.Time, NullLogger<Sweeper>.Instance).SweepAsync(Cancellation);
        }
    }

    [Fact]
    public async Task Lists_ReadOnlyTheirOwnPartition()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Ok);
        var (webhooks, log) = await WithEventsAsync(receiver, "batch_1", "batch_2");
        var delivery = await webhooks.Deliveries.ListAsync(log, null, null, Cancellation).FirstAsync(Cancellation);

        // A job of that very name has a log of its own.
        var told = new TenantEvent("x:succeeded", "batch.job.succeeded", _tenant, "x", webhooks.Time.GetUtcNow(), new { });
        await webhooks.FanOut.SendAsync(told, new Callback(DeliveryLog.OfJob(_tenant, delivery.EndpointId!), receiver.Url, WebhookFormat.Openai), Cancellation);

        Assert.Single(await webhooks.Deliveries.ListAsync(DeliveryLog.OfJob(_tenant, delivery.EndpointId!), null, null, Cancellation).ToListAsync(Cancellation));
        Assert.All(await webhooks.RowsAsync(DeliveryStore.DeliveriesTable, log), row => Assert.Matches("^(del_|body_del_|open_del_)", row.RowKey));
    }

    // To the ladder's end, without its attempts.
    private static async Task<Delivery> FailAsync(TestWebhooks webhooks, Delivery delivery) => (await webhooks.Deliveries.UpdateAsync(
        (await webhooks.Deliveries.FindAsync(delivery.Log, delivery.Id, Cancellation))!,
        row => row.Record(new DeliveryAttempt(WebhookSchedule.LastAttempt, webhooks.Time.GetUtcNow(), 500, 1, "the receiver answered 500, wanted 2xx"), null),
        Cancellation))!;

    private async Task<(TestWebhooks Webhooks, string Log)> WithEventsAsync(RawReceiver receiver, params string[] subjects)
    {
        var webhooks = await TestWebhooks.StartAsync(storage, Local);
        var made = await webhooks.CreateAsync(_tenant, $$"""{"url":"{{receiver.Url}}"}""");
        foreach (var subject in subjects)
        {
            await webhooks.TellAsync(_tenant, subject: subject);
            webhooks.Time.Advance(TimeSpan.FromSeconds(1));
        }

        return (webhooks, DeliveryLog.OfEndpoint(made.Id));
    }
}
