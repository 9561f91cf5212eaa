using System.Diagnostics;
using Azure.Data.Tables;
using Azure.Storage.Blobs;
using Azure.Storage.Queues;
using Batch.LocalHost.Emulator;

namespace Batch.LocalHost.Tests.Emulator;

public sealed class AzuriteTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task StartAsync_GivesAConnectionStringThatAllThreeServicesAnswer()
    {
        await using var azurite = await Azurite.StartAsync(null, Cancellation);

        await new QueueServiceClient(azurite.ConnectionString).GetPropertiesAsync(Cancellation);
        await new BlobServiceClient(azurite.ConnectionString).GetPropertiesAsync(Cancellation);
        await new TableServiceClient(azurite.ConnectionString).GetPropertiesAsync(Cancellation);
    }

    [Fact]
    public async Task DisposeAsync_EndsTheProcess()
    {
        var azurite = await Azurite.StartAsync(null, Cancellation);
        using var process = Process.GetProcessById(azurite.ProcessId);

        await azurite.DisposeAsync();

        Assert.True(process.HasExited);
    }

    [Fact]
    public async Task StartAsync_SaysSo_WhenAnotherProcessUsesTheFolder()
    {
        using var folder = new TemporaryFolder();
        await using var first = await Azurite.StartAsync(folder.Path, Cancellation);

        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => Azurite.StartAsync(folder.Path, Cancellation));

        Assert.Contains("in use", error.Message, StringComparison.Ordinal);
    }

    /// <summary>The parent here is this test's own executable, which starts Azurite and waits to be killed.</summary>
    [Fact]
    public async Task Azurite_SavesAndEnds_WhenItsParentIsKilled()
    {
        using var folder = new TemporaryFolder();
        using var parent = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [Program.OwnAzurite, folder.Path])
        {
            RedirectStandardOutput = true,
        })!;
        var connectionString = await parent.StandardOutput.ReadLineAsync(Cancellation);
        using var azurite = Process.GetProcessById(int.Parse((await parent.StandardOutput.ReadLineAsync(Cancellation))!, null));
        await new QueueClient(connectionString, "kept").CreateAsync(cancellationToken: Cancellation);
        await new QueueClient(connectionString, "kept").SendMessageAsync("still here", Cancellation);

        parent.Kill();

        await azurite.WaitForExitAsync(Cancellation).WaitAsync(Patience, Cancellation);
        await using var next = await Azurite.StartAsync(folder.Path, Cancellation);
        var message = await new QueueClient(next.ConnectionString, "kept").PeekMessageAsync(Cancellation);
        Assert.Equal("still here", message.Value.MessageText);
    }
}
