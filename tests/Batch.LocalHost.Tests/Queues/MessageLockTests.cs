using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using Batch.LocalHost.Queues;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Batch.LocalHost.Tests.Queues;

public sealed class MessageLockTests(AzuriteFixture azurite)
{
    private static readonly TimeSpan TenMinutes = TimeSpan.FromMinutes(10);

    private readonly FakeTimeProvider _time = new();
    private readonly RenewalCounter _renewals = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Renews_AtHalfOfEachLock()
    {
        var (queue, message) = await ReceiveAsync();
        using var hold = new MessageLock(queue, message, TenMinutes, _time, NullLogger.Instance);

        _time.Advance(TimeSpan.FromMinutes(5) - TimeSpan.FromSeconds(1));
        Assert.Equal(0, _renewals.Count);
        _time.Advance(TimeSpan.FromSeconds(1));
        await Eventually.TrueAsync(() => _renewals.Count == 1);
        var receipt = await hold.ReleaseAsync();
        _time.Advance(TenMinutes);

        Assert.Equal(1, _renewals.Count);
        Assert.NotEqual(message.PopReceipt, receipt);
        await queue.DeleteMessageAsync(message.MessageId, receipt, Cancellation);
    }

    [Fact]
    public async Task StopsRenewing_WhenTheMessageIsGone()
    {
        var (queue, message) = await ReceiveAsync();
        using var hold = new MessageLock(queue, message, TenMinutes, _time, NullLogger.Instance);
        await queue.DeleteMessageAsync(message.MessageId, message.PopReceipt, Cancellation);

        _time.Advance(TimeSpan.FromMinutes(5));
        await Eventually.TrueAsync(() => _renewals.Count == 1);

        Assert.Equal(message.PopReceipt, await hold.ReleaseAsync());
    }

    private async Task<(QueueClient Queue, QueueMessage Message)> ReceiveAsync()
    {
        var options = new QueueClientOptions();
        options.AddPolicy(_renewals, HttpPipelinePosition.PerCall);
        var queue = new QueueClient(azurite.ConnectionString, $"locked-{Guid.NewGuid():N}", options);
        await queue.CreateAsync(cancellationToken: Cancellation);
        await queue.SendMessageAsync("work", Cancellation);
        return (queue, await queue.ReceiveMessageAsync(TenMinutes, Cancellation));
    }

    private sealed class RenewalCounter : HttpPipelineSynchronousPolicy
    {
        private int _count;

        public int Count => Volatile.Read(ref _count);

        public override void OnReceivedResponse(HttpMessage message)
        {
            if (message.Request.Method == RequestMethod.Put && message.Request.Uri.Path.Contains("/messages/", StringComparison.Ordinal))
            {
                Interlocked.Increment(ref _count);
            }
        }
    }
}
