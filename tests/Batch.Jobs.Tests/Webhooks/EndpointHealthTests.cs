using System.Globalization;
using System.Text;
using System.Text.Json;
using Batch.Jobs.Storage;
using Batch.Jobs.Webhooks;

namespace Batch.Jobs.Tests.Webhooks;

/// <summary>What attempts say of an endpoint, and what follows from it.</summary>
public sealed class EndpointHealthTests(StorageEmulator storage)
{
    private static readonly WebhookOptions Local = new() { AllowHttp = true, AllowPrivateAddresses = true };
    private static readonly DateTimeOffset Now = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);
    private static readonly TimeSpan Patience = TimeSpan.FromDays(5);
    private static readonly WebhookOutcome Failure = new("the receiver answered 500, wanted 2xx") { StatusCode = 500 };
    private static readonly WebhookOutcome Success = new(null) { StatusCode = 204 };

    private readonly string _tenant = $"t{Guid.NewGuid():N}";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void After_WritesNothing_WhileAllSucceedOrAllFail()
    {
        var endpoint = new WebhookEndpoint();
        Assert.Same(endpoint, endpoint.After(Success, Patience, Now));
        var failing = endpoint.After(Failure, Patience, Now);
        Assert.Equal(Now, failing.FailingSince);
        Assert.Same(failing, failing.After(Failure, Patience, Now.AddDays(4)));
    }

    [Fact]
    public void After_WritesAtMostTwiceAMinute_WhereSuccessAndFailureTakeTurns()
    {
        var (endpoint, writes) = (new WebhookEndpoint(), 0);
        for (var i = 0; i < 600; i++)
        {
            var next = endpoint.After(i % 2 == 0 ? Failure : Success, Patience, Now.AddSeconds(i));
            (endpoint, writes) = (next, ReferenceEquals(next, endpoint) ? writes : writes + 1);
        }

        Assert.InRange(writes, 2, 20);
        Assert.True(endpoint.IsEnabled);
    }

    [Fact]
    public void After_DisablesAfterThePatience_UnlessOneSucceededInBetween()
    {
        var failing = new WebhookEndpoint().After(Failure, Patience, Now);

        var disabled = failing.After(Failure, Patience, Now.AddDays(5));
        var spared = failing.After(Success, Patience, Now.AddDays(4)).After(Failure, Patience, Now.AddDays(5));

        Assert.Equal((false, EventState.Pending), (disabled.IsEnabled, disabled.EventState));
        Assert.Equal("every attempt since 2026-03-04 05:06:07Z failed, the last one so: the receiver answered 500, wanted 2xx", disabled.DisabledReason);
        Assert.Equal((true, Now.AddDays(5)), (spared.IsEnabled, spared.FailingSince));
    }

    [Theory]
    [InlineData(null, 60)]
    [InlineData(300, 300)]
    [InlineData(100_000, 3600)]
    public void After_SparesAnEndpoint_ThatHasTooMuchToDo(int? retryAfter, int seconds)
    {
        var outcome = new WebhookOutcome("429", RetryAfter: retryAfter is { } asked ? TimeSpan.FromSeconds(asked) : null, Throttles: true) { StatusCode = 429 };

        var endpoint = new WebhookEndpoint().After(outcome, Patience, Now);

        Assert.Equal(Now.AddSeconds(seconds), endpoint.ThrottledUntil);
        Assert.Same(endpoint, endpoint.After(outcome, Patience, Now.AddSeconds(10)));
    }

    [Fact]
    public async Task DeliverAsync_DisablesAtOnceAndTells_WhenTheReceiverAnswers410()
    {
        await using var gone = new RawReceiver(_ => RawReceiver.Status(410));
        await using var other = new RawReceiver(_ => RawReceiver.Ok);
        var webhooks = await TestWebhooks.StartAsync(storage, Local);
        var told = await webhooks.CreateAsync(_tenant, $$"""{"url":"{{other.Url}}","events":["batch.webhook_endpoint.*"]}""");
        var made = await webhooks.CreateAsync(_tenant, $$"""{"url":"{{gone.Url}}"}""");
        await webhooks.TellAsync(_tenant, "batch.completed");
        await webhooks.TellAsync(_tenant, "batch.job.failed", "job_1");

        Assert.Null(await webhooks.PumpAsync());

        var endpoint = await webhooks.Control.GetAsync(made.Id, TestWebhooks.Owner(_tenant), Cancellation);
        Assert.Equal((EndpointStatus.Disabled, "the receiver answered 410: it wants no more"), (endpoint.Status, endpoint.DisabledReason));
        Assert.Single(gone.Requests);
        Assert.Equal(
            ["not attempted, the endpoint is disabled: the receiver answered 410: it wants no more", "the receiver answered 410: it wants no more"],
            (await webhooks.DeliveriesAsync(made.Id, WebhookState.Failed)).Select(delivery => delivery.LastError).Order(StringComparer.Ordinal));
        var notice = Assert.Single(other.Requests);
        Assert.Equal($"{made.Id}:disabled:{Now.ToUnixTimeSeconds()}", notice.Id);
        Assert.Equal(made.Id, JsonElement.Parse(notice.Body).GetProperty("data").GetProperty("id").GetString());
        Assert.Equal(WebhookState.Delivered, Assert.Single(await webhooks.DeliveriesAsync(told.Id)).State);

        await webhooks.TellAsync(_tenant, "batch.failed");
        Assert.Equal(2, (await webhooks.DeliveriesAsync(made.Id)).Count);
    }

    [Fact]
    public async Task DeliverAsync_DisablesAndTellsOnce_WhenItCrashesAfterAnyWrite()
    {
        var faults = new StorageFaults();
        await using var gone = new RawReceiver(_ => RawReceiver.Status(410));
        for (var write = 1; ; write++)
        {
            var tenant = $"{_tenant}-{write}";
            var webhooks = await TestWebhooks.StartAsync(storage, Local, faults: faults);
            var watcher = await webhooks.CreateAsync(tenant, """{"url":"http://127.0.0.1:9/","events":["batch.webhook_endpoint.*"]}""");
            var made = await webhooks.CreateAsync(tenant, $$"""{"url":"{{gone.Url}}"}""");
            await webhooks.TellAsync(tenant);
            var delivery = Assert.Single(await webhooks.DeliveriesAsync(made.Id));
            faults.CrashAfterWrite(write);
            var crash = await Record.ExceptionAsync(() => webhooks.AttemptAsync(delivery));
            faults.Revive();
            webhooks.Time.Advance(Delivery.ClaimTime);

            await webhooks.AttemptAsync(delivery);

            Assert.Equal(EventState.Published, (await webhooks.Endpoints.FindAsync(tenant, made.Id, Cancellation))!.EventState);
            Assert.Equal(WebhookState.Failed, Assert.Single(await webhooks.DeliveriesAsync(made.Id)).State);
            Assert.Single(await webhooks.DeliveriesAsync(watcher.Id));
            if (crash is null)
            {
                Assert.InRange(write, 7, 12);
                break;
            }
        }
    }

    [Fact]
    public async Task DeliverAsync_LeavesOthersForLater_WhenTheReceiverAsksForTime()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Status(429, "Retry-After: 1000\r\n"));
        var faults = new StorageFaults();
        var webhooks = await TestWebhooks.StartAsync(storage, Local, faults: faults);
        var made = await webhooks.CreateAsync(_tenant, $$"""{"url":"{{receiver.Url}}"}""");
        await webhooks.TellAsync(_tenant, "batch.completed");
        await webhooks.TellAsync(_tenant, "batch.failed");
        var deliveries = await webhooks.DeliveriesAsync(made.Id);
        faults.Sent.Clear();

        var attempted = await webhooks.AttemptAsync(deliveries[0]);
        var spared = await webhooks.AttemptAsync(deliveries[1]);

        Assert.Single(receiver.Requests);
        Assert.Equal((1, 0), (attempted.Attempts, spared.Attempts));
        var waits = faults.Sent.Select(address => int.Parse(address.Split("visibilitytimeout=")[1].Split('&')[0], CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(2, waits.Count);
        Assert.All(waits, wait => Assert.InRange(wait, 1000, 1031));
        webhooks.Time.Advance(TimeSpan.FromSeconds(1000));
        Assert.Equal(1, (await webhooks.AttemptAsync(spared)).Attempts);
    }

    [Fact]
    public async Task UpdateAsync_EnablesWithACleanSlate()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Status(500));
        var webhooks = await TestWebhooks.StartAsync(storage, Local);
        var made = await webhooks.CreateAsync(_tenant, $$"""{"url":"{{receiver.Url}}"}""");
        await webhooks.TellAsync(_tenant);
        var delivery = await webhooks.AttemptAsync(Assert.Single(await webhooks.DeliveriesAsync(made.Id)));
        webhooks.Time.Advance(TimeSpan.FromDays(5));
        delivery = await webhooks.AttemptAsync(delivery);
        var owner = TestWebhooks.Owner(_tenant);
        Assert.Equal(WebhookState.Failed, delivery.State);
        Assert.StartsWith("every attempt since 2026-03-04 05:06:07Z failed", (await webhooks.Control.GetAsync(made.Id, owner, Cancellation)).DisabledReason, StringComparison.Ordinal);

        var enabled = await webhooks.Control.UpdateAsync(made.Id, Encoding.UTF8.GetBytes("""{"status":"enabled"}"""), owner, Cancellation);

        Assert.Equal((EndpointStatus.Enabled, null, null), (enabled.Status, enabled.FailingSince, enabled.DisabledReason));
        Assert.Equal(WebhookState.Pending, (await webhooks.AttemptAsync(delivery, isReplay: true)).State);
        Assert.Equal(EndpointStatus.Enabled, (await webhooks.Control.GetAsync(made.Id, owner, Cancellation)).Status);
    }
}
