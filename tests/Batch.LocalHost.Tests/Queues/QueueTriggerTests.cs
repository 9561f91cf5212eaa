using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Time.Testing;

namespace Batch.LocalHost.Tests.Queues;

public sealed class QueueTriggerTests(AzuriteFixture azurite)
{
    private readonly string _name = $"work-{Guid.NewGuid():N}";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private QueueClient Queue => azurite.Queue(_name);

    private QueueClient Poison => azurite.Queue($"{_name}-poison");

    [Fact]
    public async Task Message_IsDeleted_WhenTheFunctionReturns()
    {
        await SendAsync("one");
        var log = new WorkLog((_, _) => Task.CompletedTask);
        using var host = await StartAsync(log);

        await Eventually.TrueAsync(async () => await CountAsync(Queue) == 0);
        await host.StopAsync(Cancellation);

        Assert.Equal("one", Assert.Single(log.Messages).Body.ToString());
        Assert.False(await Poison.ExistsAsync(Cancellation));
    }

    [Fact]
    public async Task Message_RunsAtEachDequeueThenIsPoison_WhenTheFunctionThrows()
    {
        await SendAsync("doomed");
        var log = new WorkLog((_, _) => throw new InvalidOperationException("no"));
        using var host = await StartAsync(log, "maxDequeueCount=3");

        await Eventually.TrueAsync(async () => await CountAsync(Queue) == 0);
        await host.StopAsync(Cancellation);

        Assert.Equal([1, 2, 3], log.Messages.Select(message => message.DequeueCount));
        Assert.Equal("doomed", (await Poison.PeekMessageAsync(Cancellation)).Value.Body.ToString());
    }

    [Fact]
    public async Task Message_IsPoisonWithoutARun_WhenItsLastTryEndedWithAProcess()
    {
        await SendAsync("killer");
        QueueMessage taken = await Queue.ReceiveMessageAsync(cancellationToken: Cancellation);
        await Queue.UpdateMessageAsync(taken.MessageId, taken.PopReceipt, visibilityTimeout: TimeSpan.Zero, cancellationToken: Cancellation);
        var log = new WorkLog((_, _) => Task.CompletedTask);
        using var host = await StartAsync(log, "maxDequeueCount=1");

        await Eventually.TrueAsync(async () => await CountAsync(Queue) == 0);

        Assert.Equal("killer", (await Poison.PeekMessageAsync(Cancellation)).Value.Body.ToString());
        Assert.Empty(log.Messages);
    }

    [Fact]
    public async Task Message_IsPoisonAsItCameWithoutARun_WhenItDoesNotDecode()
    {
        await SendRawAsync("not base64!");
        await SendAsync("good");
        var log = new WorkLog((_, _) => Task.CompletedTask);
        using var host = await StartAsync(log);

        await Eventually.TrueAsync(async () => await CountAsync(Queue) == 0);

        var poison = await azurite.Queue(Poison.Name, QueueMessageEncoding.None).PeekMessageAsync(Cancellation);
        Assert.Equal("not base64!", poison.Value.Body.ToString());
        Assert.Equal("good", Assert.Single(log.Messages).Body.ToString());
    }

    [Fact]
    public async Task Message_IsReadAsItIs_WhenTheEncodingIsNone()
    {
        await SendRawAsync("plain words");
        var log = new WorkLog((_, _) => Task.CompletedTask);
        using var host = await StartAsync(log, "messageEncoding=none");

        await Eventually.TrueAsync(async () => await CountAsync(Queue) == 0);

        Assert.Equal("plain words", Assert.Single(log.Messages).Body.ToString());
    }

    [Fact]
    public async Task Message_StaysHiddenForTheVisibilityTimeout_WhenTheFunctionThrows()
    {
        await SendAsync("later");
        var log = new WorkLog((_, _) => throw new InvalidOperationException("no"));
        using var host = await StartAsync(log, "visibilityTimeout=01:00:00");

        await Eventually.TrueAsync(() => !log.Messages.IsEmpty);
        await host.StopAsync(Cancellation);

        Assert.Single(log.Messages);
        Assert.Equal(1, await CountAsync(Queue));
        Assert.Null((await Queue.PeekMessageAsync(Cancellation)).Value);
    }

    [Fact]
    public async Task InFlight_ReachesButNeverExceedsBatchSizePlusThreshold()
    {
        const int All = 12;
        for (var i = 0; i < All; i++)
        {
            await SendAsync($"{i}");
        }

        using var gate = new SemaphoreSlim(0);
        var log = new WorkLog((_, cancellationToken) => gate.WaitAsync(cancellationToken));
        using var host = await StartAsync(log, "batchSize=3", "newBatchThreshold=2");
        await Eventually.TrueAsync(() => log.InFlight == 3);

        // 3 in flight are more than 2, so nothing is fetched; one less, and a whole batch comes on top.
        gate.Release();
        await Eventually.TrueAsync(() => log.InFlight == 5);
        gate.Release(All);
        await Eventually.TrueAsync(async () => await CountAsync(Queue) == 0);

        Assert.Equal(5, log.MostInFlight);
        Assert.Equal(All, log.Messages.Count);
    }

    [Fact]
    public async Task Message_RunsOnce_WhenTheFunctionOutlivesItsLock()
    {
        await SendAsync("long");
        var log = new WorkLog((_, cancellationToken) => Task.Delay(TimeSpan.FromSeconds(5), cancellationToken));
        using var host = await TestHost.StartAsync<Work>([.. Settings(), "--LocalHost:QueueLock=00:00:02"], log);

        await Eventually.TrueAsync(async () => await CountAsync(Queue) == 0);

        Assert.Single(log.Messages);
    }

    [Fact]
    public async Task Stop_LetsRunningFunctionsFinishAndFetchesNoMore()
    {
        await SendAsync("running");
        var done = new TaskCompletionSource();
        var log = new WorkLog((_, _) => done.Task);
        using var host = await StartAsync(log, "batchSize=1", "newBatchThreshold=0");
        await Eventually.TrueAsync(() => log.InFlight == 1);
        await SendAsync("waiting");

        var stopping = host.StopAsync(Cancellation);
        Assert.False(stopping.IsCompleted);
        done.SetResult();
        await stopping.WaitAsync(Eventually.Patience, Cancellation);

        Assert.Single(log.Messages);
        QueueMessage left = await Queue.ReceiveMessageAsync(cancellationToken: Cancellation);
        Assert.Equal("waiting", left.Body.ToString());
        Assert.Equal(1, left.DequeueCount);
    }

    [Fact]
    public async Task Stop_CancelsAfterTheDrainPeriodAndTheMessageIsSeenAgainAtOnce()
    {
        await SendAsync("long");
        var time = new FakeTimeProvider();
        var log = new WorkLog((_, cancellationToken) => Task.Delay(Timeout.Infinite, cancellationToken));
        using var host = await StartAsync(log, time);
        await Eventually.TrueAsync(() => log.InFlight == 1);

        var stopping = host.StopAsync(Cancellation);
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal(1, log.InFlight);
        time.Advance(TimeSpan.FromSeconds(1));
        await stopping.WaitAsync(Eventually.Patience, Cancellation);

        QueueMessage again = await Queue.ReceiveMessageAsync(cancellationToken: Cancellation);
        Assert.Equal("long", again.Body.ToString());
        Assert.Equal(2, again.DequeueCount);
    }

    [Fact]
    public async Task Queue_IsCreatedWhenMissing_AlsoWhenItIsDeletedLater()
    {
        using var host = await StartAsync(new WorkLog((_, _) => Task.CompletedTask));
        await Eventually.TrueAsync(async () => await Queue.ExistsAsync(Cancellation));

        await Queue.DeleteAsync(Cancellation);

        await Eventually.TrueAsync(async () => await Queue.ExistsAsync(Cancellation));
    }

    [Fact]
    public async Task Start_SaysWhichSettingIsMissing_WhenTheQueueNameNeedsOne()
    {
        using var host = TestHost.Build<Work>([$"--AzureWebJobsStorage={azurite.ConnectionString}"], new WorkLog((_, _) => Task.CompletedTask));

        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => host.StartAsync(Cancellation));

        Assert.Contains("'WorkQueue'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_SaysWhichSettingIsMissing_WhenThereIsNoStorage()
    {
        using var host = TestHost.Build<Work>([$"--WorkQueue={_name}"], new WorkLog((_, _) => Task.CompletedTask));

        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => host.StartAsync(Cancellation));

        Assert.Contains("AzureWebJobsStorage", error.Message, StringComparison.Ordinal);
    }

    private string[] Settings(params string[] queues) =>
    [
        $"--AzureWebJobsStorage={azurite.ConnectionString}",
        $"--WorkQueue={_name}",
        "--AzureFunctionsJobHost:extensions:queues:maxPollingInterval=00:00:00.2",
        .. queues.Select(setting => $"--AzureFunctionsJobHost:extensions:queues:{setting}"),
    ];

    private Task<IHost> StartAsync(WorkLog log, params string[] queues) => TestHost.StartAsync<Work>(Settings(queues), log);

    private Task<IHost> StartAsync(WorkLog log, TimeProvider time) => TestHost.StartAsync<Work>(Settings(), log, time);

    private async Task SendAsync(string text)
    {
        await Queue.CreateIfNotExistsAsync(cancellationToken: Cancellation);
        await Queue.SendMessageAsync(text, Cancellation);
    }

    private async Task SendRawAsync(string text)
    {
        await Queue.CreateIfNotExistsAsync(cancellationToken: Cancellation);
        await azurite.Queue(_name, QueueMessageEncoding.None).SendMessageAsync(text, Cancellation);
    }

    /// <summary>Hidden messages count too.</summary>
    private static async Task<int> CountAsync(QueueClient queue) =>
        (await queue.GetPropertiesAsync(Cancellation)).Value.ApproximateMessagesCount;
}
