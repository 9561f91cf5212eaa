using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Batch.Jobs.Webhooks;

namespace Batch.Jobs.Tests;

public sealed partial class WebhookTests(StorageEmulator storage)
{
    private const string Hook = "https://example.org/hook";

    [Fact]
    public void Sign_GivesThePublishedSignature_OfStandardWebhooks()
    {
        var signature = WebhookSignature.Sign(
            [WebhookSignature.ReadSecret(TestBatch.Secret)!], "msg_p5jXN8AQM9LWM0D4loKWxJek", DateTimeOffset.FromUnixTimeSeconds(1614265330), """{"test": 2432232314}"""u8);

        Assert.Equal("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", signature);
    }

    [Theory]
    [InlineData("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    [InlineData("whsec_c2hvcnQ=")]
    [InlineData("whsec_not base64 at all, not base64 at all")]
    public void ReadSecret_GivesNothing_WhenItIsNoSecret(string secret) => Assert.Null(WebhookSignature.ReadSecret(secret));

    [Fact]
    public async Task DeliverAsync_SendsTheSignedEventOnce_WhenTheReceiverAnswers2xx()
    {
        using var receiver = new Receiver(HttpStatusCode.NoContent);
        await using var batch = await FinishedAsync(receiver, new() { Secret = $"{TestBatch.Secret} whsec_{Convert.ToBase64String(new byte[32])}" });

        await DeliverAsync(batch, (await batch.ReceiveAsync(JobQueues.Webhooks))!.Body.ToString());
        await DeliverAsync(batch, """{"jobId":"hook","attempt":1}""");

        var (headers, body) = Assert.Single(receiver.Requests);
        Assert.Equal("hook:succeeded", headers["webhook-id"]);
        Assert.Equal("application/cloudevents+json; charset=utf-8", headers["Content-Type"]);
        var expected = WebhookSignature.Sign(
            [WebhookSignature.ReadSecret(TestBatch.Secret)!, new byte[32]], "hook:succeeded", batch.Time.GetUtcNow(), Encoding.UTF8.GetBytes(body));
        Assert.Equal(expected, headers["webhook-signature"]);
        Assert.Equal(2, expected.Split(' ').Length);
        Assert.Equal("batch.job.succeeded", JsonDocument.Parse(body).RootElement.GetProperty("type").GetString());
        Assert.Equal((WebhookState.Delivered, 1), await WebhookAsync(batch));
    }

    [Fact]
    public async Task DeliverAsync_ClimbsTheLadderAndThenGivesUp_WhenTheReceiverKeepsFailing()
    {
        using var receiver = new Receiver(HttpStatusCode.InternalServerError);
        await using var batch = await FinishedAsync(receiver);
        await batch.ReceiveAsync(JobQueues.Webhooks);
        var waits = new List<int>();

        for (var attempt = 1; attempt <= WebhookSchedule.LastAttempt; attempt++)
        {
            Assert.NotEqual(WebhookState.Failed, (await WebhookAsync(batch)).State);
            batch.Faults.Sent.Clear();
            await DeliverAsync(batch, $$"""{"jobId":"hook","attempt":{{attempt}}}""");
            waits.AddRange(batch.Faults.Sent.Select(address => int.Parse(VisibilityTimeout().Match(address).Groups[1].Value, CultureInfo.InvariantCulture)));
        }

        int[] ladder = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400];
        Assert.Equal(ladder.Length, waits.Count);
        Assert.All(ladder.Zip(waits), step => Assert.InRange(step.Second, step.First, (step.First * 1.2) + 1));

        Assert.Equal((WebhookState.Failed, 10), await WebhookAsync(batch));
        Assert.Single(receiver.Requests.Select(request => request.Headers["webhook-id"]).Distinct());
        var view = await batch.Reader.FindAsync("hook", TestBatch.Tester, TestBatch.Cancellation);
        Assert.Equal("the receiver answered 500, wanted 2xx", view!.Webhook!.LastError);
        var waiting = await batch.Clients.Queues.GetQueueClient(JobQueues.Webhooks).GetPropertiesAsync(TestBatch.Cancellation);
        Assert.Equal(10, waiting.Value.ApproximateMessagesCount); // the first, still locked, and one more per failure but the last
    }

    [Theory]
    [InlineData(HttpStatusCode.Gone, WebhookState.Failed)]
    [InlineData(HttpStatusCode.Found, WebhookState.Pending)]
    [InlineData(HttpStatusCode.TooManyRequests, WebhookState.Pending)]
    public async Task DeliverAsync_StopsOrWaits_AsTheStatusSays(HttpStatusCode status, WebhookState expected)
    {
        using var receiver = new Receiver(status) { RetryAfter = TimeSpan.FromSeconds(1234) };
        await using var batch = await FinishedAsync(receiver);
        batch.Faults.Sent.Clear();

        await DeliverAsync(batch, """{"jobId":"hook","attempt":1}""");

        Assert.Equal(status == HttpStatusCode.TooManyRequests, batch.Faults.Sent.Any(address => address.Contains("visibilitytimeout=1234", StringComparison.Ordinal)));
        Assert.Equal((expected, 1), await WebhookAsync(batch));
        Assert.Single(receiver.Requests);
    }

    [Theory]
    [InlineData(1, 5, 6)]
    [InlineData(2, 300, 360)]
    [InlineData(9, 86400, 103680)]
    public void DelayAfter_IsTheLaddersStepAndAtMostAFifthMore(int attempt, double atLeast, double atMost)
    {
        for (var job = 0; job < 100; job++)
        {
            Assert.InRange(WebhookSchedule.DelayAfter(attempt, $"job_{job}:failed", retryAfter: null)!.Value.TotalSeconds, atLeast, atMost);
        }
    }

    [Fact]
    public void DelayAfter_IsWhatTheReceiverAskedFor_WhenThatIsLonger()
    {
        Assert.Equal(TimeSpan.FromMinutes(2), WebhookSchedule.DelayAfter(1, "a:failed", TimeSpan.FromMinutes(2)));
        Assert.Equal(TimeSpan.FromDays(1.5), WebhookSchedule.DelayAfter(1, "a:failed", TimeSpan.FromDays(900)));
        Assert.Null(WebhookSchedule.DelayAfter(10, "a:failed", TimeSpan.FromMinutes(2)));
    }

    [Theory]
    [InlineData("https://127.0.0.1:1/")]
    [InlineData("https://localhost:1/")]
    [InlineData("https://10.1.2.3/")]
    [InlineData("https://169.254.169.254/metadata/instance")]
    [InlineData("https://168.63.129.16/")]
    [InlineData("https://[::1]:1/")]
    [InlineData("https://[::ffff:10.0.0.1]/")]
    [InlineData("https://[fd00::1]/")]
    public async Task DeliverAsync_FailsAtOnceWithoutConnecting_WhenTheAddressIsNotPublic(string url)
    {
        await using var batch = await FinishedAsync(receiver: null, new() { Secret = TestBatch.Secret }, url);

        await DeliverAsync(batch, """{"jobId":"hook","attempt":1}""");

        Assert.Equal((WebhookState.Failed, 1), await WebhookAsync(batch));
        Assert.Contains("at no public address", (await batch.FindAsync("hook")).WebhookLastError, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("100.64.0.1", false)]
    [InlineData("172.31.255.255", false)]
    [InlineData("192.168.0.1", false)]
    [InlineData("0.0.0.0", false)]
    [InlineData("224.0.0.1", false)]
    [InlineData("64:ff9b::a00:1", false)]
    [InlineData("2002:a00:1::", false)]
    [InlineData("fe80::1", false)]
    [InlineData("::", false)]
    [InlineData("8.8.8.8", true)]
    [InlineData("172.32.0.1", true)]
    [InlineData("2606:4700::1111", true)]
    public void IsPublic_TellsInsideFromOutside(string address, bool expected) => Assert.Equal(expected, WebhookAddressGuard.IsPublic(IPAddress.Parse(address)));

    [Theory]
    [InlineData(null, false, Hook, JobErrorCode.UnsupportedParameter)]
    [InlineData(TestBatch.Secret, false, "http://example.org", JobErrorCode.InvalidRequest)]
    [InlineData(TestBatch.Secret, true, "http://example.org", null)]
    public void Require_RefusesAtSubmission_WhatCouldNeverBeDelivered(string? secret, bool allowHttp, string url, string? code)
    {
        var error = Record.Exception(() => new WebhookOptions { Secret = secret, AllowHttp = allowHttp }.Require(url));

        Assert.Equal(code, (error as InvalidJobException)?.Code);
    }

    private static async Task<(WebhookState? State, int Attempts)> WebhookAsync(TestBatch batch)
    {
        var job = await batch.FindAsync("hook");
        return (job.WebhookState, job.WebhookAttempts);
    }

    private static Task DeliverAsync(TestBatch batch, string message) =>
        batch.Webhooks.DeliverAsync(Azure.Storage.Queues.Models.QueuesModelFactory.QueueMessage("m", "p", message, 1), TestBatch.Cancellation);

    private async Task<TestBatch> FinishedAsync(HttpMessageHandler? receiver, WebhookOptions? options = null, string url = Hook)
    {
        var batch = await TestBatch.StartAsync(storage, webhooks: options, receiver: receiver);
        await batch.Clients.Tables.GetTableClient(JobStore.JobsTable).DeleteEntityAsync("hook", Job.Row, cancellationToken: TestBatch.Cancellation);
        await batch.SubmitAsync($$"""{"id":"hook","prompt":"Once","webhook_url":"{{url}}"}""");
        Assert.Empty(await batch.PumpAsync());
        return batch;
    }

    [GeneratedRegex("visibilitytimeout=([0-9]+)")]
    private static partial Regex VisibilityTimeout();

    private sealed class Receiver(HttpStatusCode status) : HttpMessageHandler
    {
        public TimeSpan? RetryAfter { get; init; }

        public List<(Dictionary<string, string> Headers, string Body)> Requests { get; } = [];

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var headers = request.Headers.Concat(request.Content!.Headers).ToDictionary(header => header.Key, header => string.Join(",", header.Value));
            Requests.Add((headers, await request.Content.ReadAsStringAsync(cancellationToken)));
            return new HttpResponseMessage(status) { Headers = { RetryAfter = RetryAfter is { } wait ? new(wait) : null } };
        }
    }
}
