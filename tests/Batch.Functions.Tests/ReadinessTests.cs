using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using Azure.Storage.Queues;
using Batch.Jobs;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;
using Batch.Jobs.Tests;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;

namespace Batch.Functions.Tests;

/// <summary>Readiness says what is so.</summary>
public sealed class ReadinessTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Check_SaysThatStorageIsAway_WhenItDoesNotAnswer()
    {
        await using var host = await RunningHost.StartAsync(storage, _ => new ScriptedEngine());
        var options = new QueueClientOptions { Retry = { MaxRetries = 0 } };
        var nobody = new QueueServiceClient(Regex.Replace(storage.ConnectionString, @"QueueEndpoint=http://127\.0\.0\.1:\d+", "QueueEndpoint=http://127.0.0.1:1"), options);
        using var watch = new QueueWatch(
            host.Storage with { Queues = nobody }, host.Services.GetRequiredService<IMeterFactory>(), TimeProvider.System, NullLogger<QueueWatch>.Instance);

        var report = await new Readiness(host.Services.GetRequiredService<EngineHost>(), watch, host.Services.GetRequiredService<IHostApplicationLifetime>()).CheckAsync(Cancellation);

        Assert.StartsWith("the storage account cannot be reached: ", report.Reason, StringComparison.Ordinal);
        Assert.Contains("127.0.0.1:1", report.Storage.Error, StringComparison.Ordinal);
        Assert.False(report.Storage.Reachable);
    }

    [Fact]
    public async Task Ready_Is200WithTheDetail_WhenMessagesWereGivenUp()
    {
        await using var host = await RunningHost.StartAsync(storage, _ => new ScriptedEngine());
        await host.Queue(JobQueues.FailedJobs).SendMessageAsync("""{"jobId":"job_1"}""", Cancellation);
        await host.Services.GetRequiredService<QueueWatch>().LookAsync(TimeSpan.Zero, Cancellation);

        var (status, report) = await ReadyAsync(host);

        Assert.Equal((HttpStatusCode.OK, "ready"), (status, report.GetProperty("status").GetString()));
        Assert.Contains(report.GetProperty("degraded").EnumerateArray(), each => each.GetString() == "batch-jobs-failed holds 1 messages that were given up");
        await host.Queue(JobQueues.FailedJobs).ClearMessagesAsync(Cancellation);
    }

    [Fact]
    public async Task Ready_Is503_WhileTheModelDoesNotLoad()
    {
        await using var host = await RunningHost.StartAsync(storage, _ => throw new FileNotFoundException("no config.json"), waitUntilReady: false);

        var (status, report) = await ReadyAsync(host);
        while (!report.GetProperty("reason").GetString()!.Contains("no config.json", StringComparison.Ordinal))
        {
            (status, report) = await ReadyAsync(host);
        }

        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.True(report.GetProperty("storage").GetProperty("reachable").GetBoolean());
    }

    [Fact]
    public async Task Check_SaysThatTheHostDrains_OnceShutdownHasBegun()
    {
        await using var host = await RunningHost.StartAsync(storage, _ => new ScriptedEngine());
        var lifetime = new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance);
        var readiness = new Readiness(host.Services.GetRequiredService<EngineHost>(), host.Services.GetRequiredService<QueueWatch>(), lifetime);

        var before = await readiness.CheckAsync(Cancellation);
        lifetime.StopApplication();
        var after = await readiness.CheckAsync(Cancellation);

        Assert.Equal((null, false), (before.Reason, before.Draining));
        Assert.Equal(("the host is shutting down: it takes no more work", true), (after.Reason, after.Draining));
    }

    private static async Task<(HttpStatusCode Status, JsonElement Report)> ReadyAsync(RunningHost host)
    {
        using var response = await host.Http.GetAsync("health/ready", Cancellation);
        return (response.StatusCode, await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation));
    }
}
