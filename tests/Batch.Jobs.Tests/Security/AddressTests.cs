using System.Net;
using Batch.Jobs.Requests;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Tests.Security;

/// <summary>A webhook reaches no address inside, however it is written and whatever its name resolves to.</summary>
public sealed class AddressTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.1")]
    [InlineData("2130706433")]
    [InlineData("0x7f000001")]
    [InlineData("0x7f.0.0.1")]
    [InlineData("0177.0.0.1")]
    [InlineData("0.0.0.0")]
    [InlineData("10.255.255.255")]
    [InlineData("172.16.0.1")]
    [InlineData("192.168.1.1")]
    [InlineData("100.64.0.1")]
    [InlineData("169.254.169.254")]
    [InlineData("168.63.129.16")]
    [InlineData("2852039166")] // 169.254.169.254
    [InlineData("[::1]")]
    [InlineData("[::]")]
    [InlineData("[::127.0.0.1]")]
    [InlineData("[::ffff:127.0.0.1]")]
    [InlineData("[::ffff:a9fe:a9fe]")]
    [InlineData("[::ffff:0:7f00:1]")]
    [InlineData("[64:ff9b::7f00:1]")]
    [InlineData("[64:ff9b:1::a00:1]")]
    [InlineData("[2002:7f00:1::]")]
    [InlineData("[2001:0:4136:e378:8000:63bf:80ff:fffe]")] // Teredo
    [InlineData("[fd00:ec2::254]")]
    [InlineData("[fe80::1]")]
    [InlineData("[ff02::1]")]
    [InlineData("[3fff::1]")]
    [InlineData("localhost")]
    public async Task Handler_ConnectsNowhere_WhenTheAddressIsInside(string host)
    {
        using var http = new HttpClient(new WebhookAddressGuard(Options.Create(new WebhookOptions())).CreateHandler());

        var error = await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync(new Uri($"http://{host}:9/"), Cancellation));

        Assert.IsType<WebhookAddressException>(error.InnerException);
    }

    [Fact]
    public async Task Handler_AsksForTheNameAtEveryConnection_AndConnectsNowhere_WhenItPointsInside()
    {
        var asked = 0;
        IPAddress[][] answers = [[IPAddress.Parse("203.0.113.7")], [IPAddress.Loopback], [IPAddress.Parse("10.0.0.1"), IPAddress.IPv6Loopback]];
        var guard = new WebhookAddressGuard(Options.Create(new WebhookOptions())) { Resolve = (_, _) => Task.FromResult(answers[asked++]) };
        using var http = new HttpClient(guard.CreateHandler());

        for (var i = 0; i < answers.Length; i++)
        {
            var error = await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync(new Uri("http://rebound.example:9/"), Cancellation));
            Assert.IsType<WebhookAddressException>(error.InnerException);
        }

        Assert.Equal(answers.Length, asked);
    }

    [Theory]
    [InlineData("ftp://example.org/")]
    [InlineData("file:///etc/passwd")]
    [InlineData("//example.org/")]
    [InlineData("https://user:secret@example.org/")]
    [InlineData("https://user@example.org/")]
    [InlineData("https:///hook")]
    [InlineData("https://１２７.xn--/")]
    [InlineData("https://ｂ\uFFFD/")]
    [InlineData("javascript:alert(1)")]
    public void Submission_IsRefused_WhenItsWebhookIsNoPlainWebAddress(string url)
    {
        using var json = System.Text.Json.JsonSerializer.SerializeToDocument(new { prompt = "Once", webhook_url = url });

        var error = Assert.Throws<InvalidJobException>(() => JobRequestParser.Parse(json.RootElement));

        Assert.Equal("webhook_url", error.Param);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }
}
