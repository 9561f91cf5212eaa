using System.Net;
using Batch.Jobs.Events;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Batch.Jobs.Webhooks;

namespace Batch.Jobs.Tests.Webhooks;

/// <summary>Where webhooks may go, by the address as it is written and by the one that is connected to.</summary>
public sealed class AddressTests(StorageEmulator storage)
{
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
        var webhooks = await TestWebhooks.StartAsync(storage);
        var log = DeliveryLog.OfBatch($"batch_{Guid.NewGuid():N}");
        var told = new TenantEvent("batch_1:completed", "batch.completed", "default", "batch_1", webhooks.Time.GetUtcNow(), new { });
        await webhooks.FanOut.SendAsync(told, new Callback(log, url, WebhookFormat.Openai), TestContext.Current.CancellationToken);
        var delivery = await webhooks.Deliveries.ListAsync(log, null, null, TestContext.Current.CancellationToken).SingleAsync(TestContext.Current.CancellationToken);

        delivery = await webhooks.AttemptAsync(delivery);

        Assert.Equal((WebhookState.Failed, 1), (delivery.State, delivery.Attempts));
        Assert.Contains("at no public address", delivery.LastError, StringComparison.Ordinal);
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
    [InlineData(null, false, "https://example.org/hook", JobErrorCode.UnsupportedParameter)]
    [InlineData(TestWebhooks.Secret, false, "http://example.org", JobErrorCode.InvalidRequest)]
    [InlineData(TestWebhooks.Secret, false, "https://192.168.0.1", JobErrorCode.InvalidRequest)]
    [InlineData(TestWebhooks.Secret, true, "http://example.org", null)]
    public void Require_RefusesAtSubmission_WhatCouldNeverBeDelivered(string? secret, bool allowHttp, string url, string? code)
    {
        var error = Record.Exception(() => new WebhookOptions { Secret = secret, AllowHttp = allowHttp }.Require(url));

        Assert.Equal(code, (error as InvalidJobException)?.Code);
    }

    [Theory]
    [InlineData("http://example.org/hook", "url must be an https address, was http")]
    [InlineData("https://user:password@example.org/hook", "without a user name")]
    [InlineData("ftp://example.org/hook", "an absolute https address")]
    [InlineData("/hook", "an absolute https address")]
    [InlineData("https://10.0.0.1/hook", "url must be at a public address")]
    [InlineData("https://169.254.169.254/latest", "url must be at a public address")]
    [InlineData("https://[::1]/hook", "url must be at a public address")]
    [InlineData("https://2130706433/hook", "url must be at a public address")]
    [InlineData("https://0x7f.1/hook", "url must be at a public address")]
    public async Task CreateAsync_RefusesWhatCouldNeverBeReached(string url, string said)
    {
        var webhooks = await TestWebhooks.StartAsync(storage);

        var error = await Assert.ThrowsAsync<InvalidJobException>(() => webhooks.CreateAsync("nobody", $$"""{"url":"{{url}}"}"""));

        Assert.Equal("url", error.Param);
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("password", error.Message, StringComparison.Ordinal);
    }
}
