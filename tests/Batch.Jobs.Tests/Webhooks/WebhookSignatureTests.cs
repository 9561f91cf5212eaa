using Batch.Jobs.Webhooks;

namespace Batch.Jobs.Tests.Webhooks;

public sealed class WebhookSignatureTests
{
    [Fact]
    public void Sign_GivesThePublishedSignature_OfStandardWebhooks()
    {
        var signature = WebhookSignature.Sign(
            [WebhookSignature.ReadSecret(TestWebhooks.Secret)!], "msg_p5jXN8AQM9LWM0D4loKWxJek", DateTimeOffset.FromUnixTimeSeconds(1614265330), """{"test": 2432232314}"""u8);

        Assert.Equal("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", signature);
    }

    [Theory]
    [InlineData("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    [InlineData("whsec_c2hvcnQ=")]
    [InlineData("whsec_not base64 at all, not base64 at all")]
    public void ReadSecret_GivesNothing_WhenItIsNoSecret(string secret) => Assert.Null(WebhookSignature.ReadSecret(secret));
}
