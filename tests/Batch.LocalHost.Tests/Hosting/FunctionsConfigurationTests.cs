using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.Extensions.Options;

namespace Batch.LocalHost.Tests.Hosting;

public sealed class FunctionsConfigurationTests : IDisposable
{
    private readonly TemporaryFolder _root = new();

    public void Dispose() => _root.Dispose();

    [Fact]
    public void Sources_OverrideEachOther_InTheirOrder()
    {
        Write("host.json", """{ /* ours */ "extensions": { "queues": { "batchSize": 4, "maxDequeueCount": 3, "newBatchThreshold": 2 } } }""");
        Write("local.settings.json", """
            { "Values": { "AzureFunctionsJobHost__extensions__queues__maxDequeueCount": "7", "Queue": "from file", "Storage__accountName": "acme" } }
            """);

        var settings = Builder("--Queue=from command line", "--AzureFunctionsJobHost:extensions:queues:newBatchThreshold=9").Configuration;

        Assert.Equal("4", settings["AzureFunctionsJobHost:extensions:queues:batchSize"]);
        Assert.Equal("7", settings["AzureFunctionsJobHost:extensions:queues:maxDequeueCount"]);
        Assert.Equal("9", settings["AzureFunctionsJobHost:extensions:queues:newBatchThreshold"]);
        Assert.Equal("from command line", settings["Queue"]);
        Assert.Equal("acme", settings["Storage:accountName"]);
    }

    [Theory]
    [InlineData("AzureFunctionsJobHost:extensions:queues:batchSize=33")]
    [InlineData("AzureFunctionsJobHost:extensions:queues:maxDequeueCount=0")]
    [InlineData("LocalHost:QueueLock=00:00:01")]
    [InlineData("LocalHost:DrainSeconds=-1")]
    public async Task Host_DoesNotStart_WhenASettingIsOutOfItsRange(string setting)
    {
        var builder = Builder($"--{setting}", "--Logging:LogLevel:Default=None");

        await Assert.ThrowsAsync<OptionsValidationException>(async () =>
        {
            using var host = builder.Build();
            await host.StartAsync(TestContext.Current.CancellationToken);
        });
    }

    [Fact]
    public void LocalSettings_AreRefused_WhenEncrypted()
    {
        Write("local.settings.json", """{ "IsEncrypted": true, "Values": { "Secret": "x" } }""");

        Assert.Contains("encrypted", Assert.Throws<InvalidOperationException>(() => Builder()).Message, StringComparison.Ordinal);
    }

    private FunctionsApplicationBuilder Builder(params string[] args) =>
        FunctionsApplication.CreateBuilder([$"--AzureWebJobsScriptRoot={_root.Path}", .. args], []);

    private void Write(string file, string content) => File.WriteAllText(Path.Combine(_root.Path, file), content);
}
