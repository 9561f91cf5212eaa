using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Batch.Jobs.Storage;
using Batch.Jobs.Webhooks;

namespace Batch.Jobs.Tests.Webhooks;

/// <summary>Attempts at a receiver on a socket.</summary>
public sealed partial class SenderTests(StorageEmulator storage)
{
    private static readonly WebhookOptions Local = new() { Secret = TestWebhooks.Secret, AllowHttp = true, AllowPrivateAddresses = true };

    private readonly string _tenant = $"t{Guid.NewGuid():N}";
    private readonly StorageFaults _faults = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task DeliverAsync_SendsTheSignedEventOnce_WhenTheReceiverAnswers2xx()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Ok);
        var (webhooks, delivery) = await ToldAsync(receiver);

        delivery = await webhooks.AttemptAsync(delivery);
        await webhooks.Sender.DeliverAsync(TestWebhooks.MessageOf(delivery, 1), Cancellation);

        var request = Assert.Single(receiver.Requests);
        Assert.Equal(("batch_1:completed", "application/json; charset=utf-8"), (request.Id, request.Headers["Content-Type"]));
        var endpoint = (await webhooks.Endpoints.FindAsync(_tenant, delivery.EndpointId!, Cancellation))!;
        var expected = WebhookSignature.Sign(webhooks.Secrets.KeysOf(endpoint, webhooks.Time.GetUtcNow()), request.Id, webhooks.Time.GetUtcNow(), Encoding.UTF8.GetBytes(request.Body));
        Assert.Equal((expected, $"{webhooks.Time.GetUtcNow().ToUnixTimeSeconds()}"), (request.Headers["webhook-signature"], request.Headers["webhook-timestamp"]));
        var body = JsonElement.Parse(request.Body);
        Assert.Equal(("evt_batch_1:completed", "batch.completed", "batch_1"), (Text(body, "id"), Text(body, "type"), Text(body.GetProperty("data"), "id")));
        var view = await webhooks.Log.GetAsync(delivery.Log, delivery.Id, Cancellation);
        Assert.Equal((WebhookState.Delivered, request.Body, null), (view.Status, view.Payload, view.NextAttemptAt));
        var attempt = Assert.Single(view.Attempts);
        Assert.Equal((1, 204, null, webhooks.Time.GetUtcNow().ToUnixTimeSeconds()), (attempt.Number, attempt.StatusCode, attempt.Error, attempt.At));
    }

    [Fact]
    public async Task DeliverAsync_ClimbsTheLadderAndThenGivesUp_WhenTheReceiverKeepsFailing()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Status(500));
        var (webhooks, delivery) = await ToldAsync(receiver);
        _faults.Sent.Clear();

        for (var attempt = 1; attempt <= WebhookSchedule.LastAttempt; attempt++)
        {
            Assert.Equal(WebhookState.Pending, delivery.State);
            delivery = await webhooks.AttemptAsync(delivery);
        }

        int[] ladder = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400];
        var waits = Waits();
        Assert.Equal(ladder.Length, waits.Count);
        Assert.All(ladder.Zip(waits), step => Assert.InRange(step.Second, step.First, (step.First * 1.2) + 1));
        Assert.Equal((WebhookState.Failed, 10, "the receiver answered 500, wanted 2xx"), (delivery.State, delivery.Attempts, delivery.LastError));
        Assert.Equal(["batch_1:completed"], receiver.Requests.Select(request => request.Id).Distinct());
        Assert.Single(receiver.Requests.Select(request => request.Body).Distinct());
        Assert.Equal(Enumerable.Range(1, 10), delivery.ReadHistory().Select(attempt => attempt.Number));
    }

    [Theory]
    [InlineData("500", 500, "the receiver answered 500, wanted 2xx")]
    [InlineData("400", 400, "the receiver answered 400, wanted 2xx")]
    [InlineData("302 to itself", 302, "redirects are not followed")]
    [InlineData("closes", null, "the receiver was not reached")]
    [InlineData("no HTTP", null, "the receiver was not reached")]
    [InlineData("hangs", null, "did not answer within")]
    [InlineData("headers without end", null, "the receiver was not reached")]
    public async Task DeliverAsync_NotesWhatHappenedAndTriesAgain(string what, int? status, string error)
    {
        RawReceiver? self = null;
        await using var receiver = self = new RawReceiver(async (_, stream) =>
        {
            switch (what)
            {
                case "302 to itself":
                    await RawReceiver.WriteAsync(stream, RawReceiver.Status(302, $"Location: {self!.Url}\r\n"));
                    break;
                case "closes":
                    break;
                case "no HTTP":
                    await RawReceiver.WriteAsync(stream, "SSH-2.0-OpenSSH_9.6\r\n");
                    break;
                case "hangs":
                    await RawReceiver.WriteAsync(stream, "HTTP/1.1 200 ");
                    await self!.Never;
                    break;
                case "headers without end":
                    await RawReceiver.WriteAsync(stream, "HTTP/1.1 200 OK\r\n");
                    while (true)
                    {
                        await RawReceiver.WriteAsync(stream, $"X-More: {new string('x', 1000)}\r\n");
                    }

                default:
                    await RawReceiver.WriteAsync(stream, RawReceiver.Status(int.Parse(what, CultureInfo.InvariantCulture)));
                    break;
            }
        });
        var (webhooks, delivery) = await ToldAsync(receiver);

        delivery = await webhooks.AttemptAsync(delivery, sender: what == "hangs" ? webhooks.NewSender(TimeSpan.FromMilliseconds(300)) : null);

        var attempt = Assert.Single(delivery.ReadHistory());
        Assert.Equal((WebhookState.Pending, 1, status), (delivery.State, delivery.Attempts, attempt.StatusCode));
        Assert.Contains(error, attempt.Error, StringComparison.Ordinal);
        Assert.NotNull(delivery.NextAttemptAt);
        Assert.Single(receiver.Requests);
    }

    [Fact]
    public async Task DeliverAsync_ReadsNoBody_WhenTheAnswerIsBig()
    {
        await using var receiver = new RawReceiver(async (_, stream) =>
        {
            await RawReceiver.WriteAsync(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n");
            while (true)
            {
                await stream.WriteAsync(new byte[64 * 1024]);
            }
        });
        var (webhooks, delivery) = await ToldAsync(receiver);

        Assert.Equal(WebhookState.Delivered, (await webhooks.AttemptAsync(delivery)).State);
    }

    [Fact]
    public async Task DeliverAsync_MakesOneAttempt_WhenTwoDeliverAtOnce()
    {
        var (arrived, answer) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var receiver = new RawReceiver(async (_, stream) =>
        {
            arrived.SetResult();
            await answer.Task; // slow
            await RawReceiver.WriteAsync(stream, RawReceiver.Ok);
        });
        var (webhooks, delivery) = await ToldAsync(receiver);
        var first = webhooks.AttemptAsync(delivery);
        await arrived.Task.WaitAsync(Cancellation);
        _faults.Sent.Clear();

        await webhooks.Sender.DeliverAsync(TestWebhooks.MessageOf(delivery, 1), Cancellation);

        Assert.Equal([30], Waits()); // the attempt is left for when the first may be dead
        answer.SetResult();
        Assert.Equal(WebhookState.Delivered, (await first).State);
        await webhooks.Sender.DeliverAsync(TestWebhooks.MessageOf(delivery, 1), Cancellation);
        Assert.Single(receiver.Requests);
    }

    [Fact]
    public async Task DeliverAsync_MakesOneAttempt_WhenManyBeginAtOnce()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Ok);
        var (webhooks, delivery) = await ToldAsync(receiver);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => webhooks.Sender.DeliverAsync(TestWebhooks.MessageOf(delivery, 1), Cancellation))));

        Assert.Single(receiver.Requests);
        Assert.Single((await webhooks.Deliveries.FindAsync(delivery.Log, delivery.Id, Cancellation))!.ReadHistory());
    }

    [Fact]
    public async Task DeliverAsync_LeavesAttemptsForLater_WhileTheirReceiverHasItsShare_AndMakesThoseOfOthers()
    {
        var (arrived, answer) = (new SemaphoreSlim(0), new TaskCompletionSource());
        await using var slow = new RawReceiver(async (_, stream) =>
        {
            arrived.Release();
            await answer.Task;
            await RawReceiver.WriteAsync(stream, RawReceiver.Ok);
        });
        await using var quick = new RawReceiver(_ => RawReceiver.Ok);
        var webhooks = await TestWebhooks.StartAsync(
            storage, new WebhookOptions { Secret = TestWebhooks.Secret, AllowHttp = true, AllowPrivateAddresses = true, AttemptsAtOnce = 2 }, faults: _faults);
        var made = await webhooks.CreateAsync(_tenant, $$"""{"url":"{{slow.Url}}"}""");
        foreach (var i in Enumerable.Range(1, 4))
        {
            await webhooks.TellAsync(_tenant, subject: $"batch_{i}");
        }

        var other = await webhooks.CreateAsync(_tenant, $$"""{"url":"{{quick.Url}}"}""");
        await webhooks.TellAsync(_tenant, subject: "batch_5");
        var waiting = (await webhooks.DeliveriesAsync(made.Id)).Take(4).ToList();
        var running = waiting.Take(2).Select(delivery => webhooks.AttemptAsync(delivery)).ToList();
        await arrived.WaitAsync(Cancellation);
        await arrived.WaitAsync(Cancellation);
        _faults.Sent.Clear();

        Assert.Equal(0, (await webhooks.AttemptAsync(waiting[2])).Attempts);
        Assert.Equal(0, (await webhooks.AttemptAsync(waiting[3])).Attempts);
        Assert.Equal(WebhookState.Delivered, (await webhooks.AttemptAsync(Assert.Single(await webhooks.DeliveriesAsync(other.Id)))).State);
        Assert.Equal(2, slow.Requests.Count);
        Assert.All(Waits(), wait => Assert.InRange(wait, 1, 2));

        answer.SetResult();
        await Task.WhenAll(running);
        Assert.Equal(WebhookState.Delivered, (await webhooks.AttemptAsync(waiting[2])).State);
    }

    [Fact]
    public async Task DeliverAsync_TakesOverFromADeadProcess_WhenItsClaimIsOver()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Ok);
        var (webhooks, delivery) = await ToldAsync(receiver);
        await webhooks.Deliveries.UpdateAsync(delivery, row => row.Claim(isReplay: false, webhooks.Time.GetUtcNow()), Cancellation);

        Assert.Equal(WebhookState.Pending, (await webhooks.AttemptAsync(delivery)).State);
        webhooks.Time.Advance(Delivery.ClaimTime);
        Assert.Equal(WebhookState.Delivered, (await webhooks.AttemptAsync(delivery)).State);
    }

    [Fact]
    public async Task GiveUpAsync_CountsAnAttemptAndGoesOn_WhenTheFaultIsOurs()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Ok);
        var (webhooks, delivery) = await ToldAsync(receiver);
        _faults.Sent.Clear();

        await webhooks.Sender.GiveUpAsync(TestWebhooks.MessageOf(delivery, 1), Cancellation);

        delivery = (await webhooks.Deliveries.FindAsync(delivery.Log, delivery.Id, Cancellation))!;
        Assert.Equal((WebhookState.Pending, 1), (delivery.State, delivery.Attempts));
        Assert.InRange(Assert.Single(Waits()), 5, 7);
        Assert.Null((await webhooks.Endpoints.FindAsync(_tenant, delivery.EndpointId!, Cancellation))!.FailingSince);
    }

    [Fact]
    public async Task Body_StaysBelowTheLimitAndNamesWhatItLeavesOut()
    {
        await using var receiver = new RawReceiver(_ => RawReceiver.Ok);
        var webhooks = await TestWebhooks.StartAsync(storage, Local, faults: _faults);
        var made = await webhooks.CreateAsync(_tenant, $$"""{"url":"{{receiver.Url}}","format":"cloudevents"}""");
        await webhooks.TellAsync(_tenant, data: new { BatchId = "batch_1", Batch = new string('词', 20_000), Metadata = new string('m', 19_000), Tenant = _tenant });

        await webhooks.AttemptAsync(Assert.Single(await webhooks.DeliveriesAsync(made.Id)));

        var request = Assert.Single(receiver.Requests);
        Assert.InRange(Encoding.UTF8.GetByteCount(request.Body), 19_000, 20_000);
        var (body, data) = (JsonElement.Parse(request.Body), JsonElement.Parse(request.Body).GetProperty("data"));
        Assert.Equal(("1.0", "batch_1:completed", "batch_1", "application/cloudevents+json; charset=utf-8"), (Text(body, "specversion"), Text(body, "id"), Text(data, "batch_id"), request.Headers["Content-Type"]));
        Assert.Equal(["batch"], data.GetProperty("left_out").EnumerateArray().Select(name => name.GetString()));
        Assert.False(data.TryGetProperty("batch", out _));
    }

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private List<int> Waits() =>
        [.. _faults.Sent.Where(address => address.Contains(JobQueues.Webhooks, StringComparison.Ordinal)).Select(address => int.Parse(VisibilityTimeout().Match(address).Groups[1].Value, CultureInfo.InvariantCulture))];

    // One endpoint, and an event for it.
    private async Task<(TestWebhooks Webhooks, Delivery Delivery)> ToldAsync(RawReceiver receiver)
    {
        var webhooks = await TestWebhooks.StartAsync(storage, Local, faults: _faults);
        var made = await webhooks.CreateAsync(_tenant, $$"""{"url":"{{receiver.Url}}"}""");
        await webhooks.TellAsync(_tenant);
        return (webhooks, Assert.Single(await webhooks.DeliveriesAsync(made.Id)));
    }

    [GeneratedRegex("visibilitytimeout=([0-9]+)")]
    private static partial Regex VisibilityTimeout();
}
