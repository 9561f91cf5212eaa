using Batch.Jobs.Storage;
using Batch.Jobs.Webhooks;

namespace Batch.Jobs.Tests.Webhooks;

/// <summary>From the terminal write of a job to the deliveries of its event.</summary>
public sealed class FanOutTests(StorageEmulator storage)
{
    private static readonly WebhookOptions Local = new() { Secret = TestWebhooks.Secret, AllowHttp = true, AllowPrivateAddresses = true };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Event_HasOneDeliveryForEachWebhookAndOneId_WhenItCrashesAfterAnyWrite()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Ok);
        await using var batch = await TestBatch.StartAsync(storage, webhooks: Local);
        var tenant = batch.Webhooks;
        var owner = TestWebhooks.Owner(TestBatch.Tester.Tenant);
        await ForgetEndpointsAsync(tenant);
        var wanting = new List<string>();
        foreach (var events in new[] { "*", "batch.job.*" })
        {
            wanting.Add((await tenant.CreateAsync(owner.Tenant, $$"""{"url":"{{receiver.Url}}","events":["{{events}}"]}""")).Id);
        }

        var deaf = await tenant.CreateAsync(owner.Tenant, $$"""{"url":"{{receiver.Url}}","events":["batch.completed"]}""");
        var off = await tenant.CreateAsync(owner.Tenant, $$"""{"url":"{{receiver.Url}}","status":"disabled"}""");
        var crashes = 0;
        for (var write = 1; ; write++)
        {
            var job = await batch.SubmitAsync($$"""{"prompt":"Once","webhook_url":"{{receiver.Url}}"}""");
            batch.Faults.CrashAfterWrite(write);
            var crashed = await batch.PumpUntilCrashAsync();
            Assert.Empty(await batch.PumpAsync());
            crashes += crashed ? 1 : 0;

            // And the delivering dies at each of its writes, too.
            batch.Faults.CrashAfterWrite(crashed ? write : int.MaxValue);
            while (await tenant.PumpAsync() is { } fault)
            {
                Assert.IsType<SimulatedCrashException>(fault);
                batch.Faults.Revive();
                batch.Time.Advance(Delivery.ClaimTime);
            }

            batch.Faults.Revive();
            foreach (var log in wanting.Select(DeliveryLog.OfEndpoint).Append(DeliveryLog.OfJob(job.Tenant, job.Id)))
            {
                var delivery = Assert.Single(await tenant.Deliveries.ListAsync(log, null, null, Cancellation).ToListAsync(Cancellation), d => d.EventId == $"{job.Id}:succeeded");
                Assert.Equal((WebhookState.Delivered, 1), (delivery.State, delivery.Attempts));
            }

            Assert.InRange(receiver.Requests.Count(request => request.Id == $"{job.Id}:succeeded"), 3, 4);
            Assert.Equal((WebhookState.Delivered, 1), ((await batch.FindAsync(job.Id)).WebhookState, (await batch.FindAsync(job.Id)).WebhookAttempts));
            if (!crashed)
            {
                break;
            }
        }

        Assert.InRange(crashes, 14, 40);
        Assert.Empty(await tenant.DeliveriesAsync(deaf.Id));
        Assert.Empty(await tenant.DeliveriesAsync(off.Id));
        await ForgetEndpointsAsync(tenant);
    }

    [Fact]
    public async Task JobThatIsReplayed_TellsItsSecondFailure_AndTheFirstOneNoMore()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Status(500));
        await using var batch = await TestBatch.StartAsync(storage, webhooks: Local);
        var job = await batch.SubmitAsync($$"""{"prompt":"Once","webhook_url":"{{receiver.Url}}"}""");
        await batch.Store.UpdateAsync(job, row => row.Fail(new("model_not_ready", "once"), batch.Time.GetUtcNow()), Cancellation);
        Assert.Empty(await batch.PumpAsync());
        var first = await DeliveryAsync();
        first = await batch.Webhooks.AttemptAsync(first);
        Assert.Equal((WebhookState.Pending, 1), Webhook(await batch.FindAsync(job.Id)));

        batch.Time.Advance(TimeSpan.FromMinutes(1));
        await batch.Control.ReplayAsync(job.Id, TestBatch.Tester, Cancellation);
        await batch.Webhooks.AttemptAsync(first);
        Assert.Equal((null, 0), Webhook(await batch.FindAsync(job.Id)));
        Assert.Empty(await batch.PumpAsync());

        Assert.Equal($"{job.Id}:succeeded", (await DeliveryAsync()).EventId);
        Assert.Equal((null, 0), Webhook(await batch.FindAsync(job.Id)));

        async Task<Delivery> DeliveryAsync() => await batch.Webhooks.Deliveries.ListAsync(DeliveryLog.OfJob(job.Tenant, job.Id), null, null, Cancellation).FirstAsync(Cancellation);
    }

    private static (WebhookState? State, int Attempts) Webhook(Job job) => (job.WebhookState, job.WebhookAttempts);

    private static async Task ForgetEndpointsAsync(TestWebhooks webhooks)
    {
        foreach (var endpoint in (await webhooks.Control.ListAsync(null, 100, TestBatch.Tester, Cancellation)).Data)
        {
            await webhooks.Control.DeleteAsync(endpoint.Id, TestBatch.Tester, Cancellation);
        }
    }
}
