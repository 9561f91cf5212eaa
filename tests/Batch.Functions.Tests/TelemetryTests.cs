using System.Diagnostics;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;
using Batch.Jobs.Tests;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Batch.Functions.Tests;

/// <summary>What a job and a batch leave in traces, metrics and logs. It has a storage of its own: it takes the first event that comes.</summary>
public sealed class TelemetryTests(StorageEmulator storage) : IClassFixture<StorageEmulator>, IDisposable
{
    private const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    private const string TraceId = "4bf92f3577b34da6a3ce929d0e0e4736";

    private readonly List<Activity> _spans = [];
    private readonly List<Metric> _metrics = [];
    private readonly List<LogRecord> _logs = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _spans.ForEach(span => span.Dispose());

    [Fact]
    public async Task Job_IsOneTrace_FromItsSubmissionToItsEventAndItsWebhook()
    {
        await using var receiver = Receiver.Start();
        await using var host = await StartAsync("--Webhooks:Secret=" + Secret, "--Webhooks:AllowHttp=true", "--Webhooks:AllowPrivateAddresses=true");

        var id = await SubmitAsync(host, "v1/jobs", $$"""{"prompt":"Once","webhook_url":"{{receiver.Address}}"}""");
        var webhook = await receiver.First.WaitAsync(Cancellation);
        var ofQueue = await EventAsync(host);
        await host.DisposeAsync();

        Assert.Equal("batch.job.succeeded", ofQueue.GetProperty("type").GetString());
        Assert.Equal(TraceId, TraceOf(ofQueue.GetProperty("traceparent").GetString()));
        Assert.Equal(TraceId, TraceOf(webhook.Headers["traceparent"]));
        Assert.Equal(ofQueue.GetRawText(), Encoding.UTF8.GetString(webhook.Body));
        var spans = OfTrace();
        AssertPath(spans, "process batch-webhooks", "send batch-webhooks", "publish event", "process batch-jobs", "send batch-jobs", "POST v1/jobs");
        AssertPath(spans, "send batch-events", "publish event");
        AssertPath(spans, "text_completion scripted", "process batch-jobs");
        Assert.Equal([ActivityKind.Producer, ActivityKind.Consumer], new[] { "send batch-jobs", "process batch-jobs" }.Select(name => spans.Single(span => span.DisplayName == name).Kind));
        var generation = spans.Single(span => span.DisplayName == "text_completion scripted");
        Assert.Equal(("batch", "scripted", 4, 3), (generation.GetTagItem("gen_ai.provider.name"), generation.GetTagItem("gen_ai.request.model"), generation.GetTagItem("gen_ai.usage.input_tokens"), generation.GetTagItem("gen_ai.usage.output_tokens")));
        Assert.Equal(["stop"], Assert.IsType<string[]>(generation.GetTagItem("gen_ai.response.finish_reasons")));
        var process = spans.Single(span => span.DisplayName == "process batch-jobs");
        Assert.Equal(("azure_storage_queues", "batch-jobs", "process"), (process.GetTagItem("messaging.system"), process.GetTagItem("messaging.destination.name"), process.GetTagItem("messaging.operation.type")));
        Assert.All(_logs.Where(log => log.FormattedMessage!.StartsWith("Job ", StringComparison.Ordinal)), log => Assert.Equal(id, ScopeOf(log, "JobId")));
        Assert.Contains(_logs, log => log.FormattedMessage!.StartsWith($"Job {id} is Succeeded", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Job_PutOnTheQueue_IsOfTheTraceThatItsMessageNames()
    {
        await using var host = await StartAsync();

        await host.Queue(JobQueues.Jobs).SendMessageAsync($$"""{"messages":[{"role":"user","content":"Hi"}],"traceparent":"00-{{TraceId}}-00f067aa0ba902b7-01"}""", Cancellation);
        var told = await EventAsync(host);
        await host.DisposeAsync();

        Assert.Equal(TraceId, TraceOf(told.GetProperty("traceparent").GetString()));
        var spans = OfTrace();
        AssertPath(spans, "chat scripted", "process batch-jobs", "send batch-jobs", "process batch-jobs");
        Assert.Equal("chat", spans.Single(span => span.DisplayName == "chat scripted").GetTagItem("gen_ai.operation.name"));
        Assert.Contains(spans, span => span.DisplayName == "process batch-jobs" && span.ParentSpanId.ToHexString() == "00f067aa0ba902b7");
    }

    [Fact]
    public async Task Batch_IsOneTrace_FromItsCreationThroughItsLinesToItsEvent()
    {
        await using var host = await StartAsync("--Batches:SliceLines=2");

        var lines = string.Concat(Enumerable.Range(1, 4).Select(i => $$$"""{"custom_id":"{{{i}}}","method":"POST","url":"/v1/completions","body":{"prompt":"Once {{{i}}}"}}""" + "\n"));
        using var form = new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { new StringContent(lines), "file", "input.jsonl" } };
        using var uploaded = await host.Http.PostAsync("v1/files", form, Cancellation);
        var file = (await uploaded.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("id").GetString();
        await SubmitAsync(host, "v1/batches", $$"""{"input_file_id":"{{file}}","endpoint":"/v1/completions","completion_window":"24h"}""");
        var ended = await EventAsync(host);
        await host.DisposeAsync();

        Assert.Equal("batch.completed", ended.GetProperty("type").GetString());
        Assert.Equal(TraceId, TraceOf(ended.GetProperty("traceparent").GetString()));
        var spans = OfTrace();
        AssertPath(spans, "process batch-dispatch", "send batch-dispatch", "POST v1/batches");
        AssertPath(spans, "text_completion scripted", "process batch-lines", "send batch-lines");
        AssertPath(spans, "send batch-events", "publish event");
        // A slice may be delivered twice; the first outcome stands.
        Assert.All(new[] { ("process batch-lines", 2), ("text_completion scripted", 4) }, each => Assert.InRange(spans.Count(span => span.DisplayName == each.Item1), each.Item2, int.MaxValue));
    }

    [Fact]
    public async Task Metrics_HaveTheNamesOfTheConventions_AndQueuesAndEngines()
    {
        await using var host = await StartAsync();

        await SubmitAsync(host, "v1/jobs", """{"prompt":"Once"}""");
        await EventAsync(host);
        await host.Queue(JobQueues.FailedJobs).SendMessageAsync("""{"jobId":"job_1"}""", Cancellation);
        await host.Services.GetRequiredService<QueueWatch>().LookAsync(TimeSpan.Zero, Cancellation);
        Assert.True(host.Services.GetRequiredService<MeterProvider>().ForceFlush());

        string[] expected =
        [
            "batch.engine.cache.utilization", "batch.engine.occupancy", "batch.engine.preemptions", "batch.engine.sequences", "batch.engine.tokens",
            "batch.jobs.attempts", "batch.jobs.duration", "batch.jobs.finished", "batch.jobs.preemptions", "batch.jobs.queued",
            "batch.queue.messages", "batch.queue.oldest_age", "batch.queue.poison_messages",
            "gen_ai.client.token.usage", "gen_ai.server.request.duration", "gen_ai.server.time_per_output_token", "gen_ai.server.time_to_first_token",
            "messaging.client.consumed.messages", "messaging.client.sent.messages", "messaging.process.duration",
        ];
        Assert.Subset(_metrics.Select(metric => metric.Name).ToHashSet(), expected.ToHashSet());
        Assert.Equal(1, Points("batch.queue.poison_messages").Single(point => Tag(point, "messaging.destination.name") == JobQueues.FailedJobs).GetGaugeLastValueLong());
        Assert.All(["input", "output"], type => Assert.Contains(Points("gen_ai.client.token.usage"), point => Tag(point, "gen_ai.token.type") == type && Tag(point, "gen_ai.request.model") == "scripted"));
        Assert.All(_metrics.SelectMany(metric => Points(metric.Name)), point => Assert.DoesNotContain("job_", string.Join(' ', TagsOf(point).Values), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Nothing_IsRecordedOrExported_UnlessASettingSaysWhere()
    {
        await using var host = await RunningHost.StartAsync(storage, _ => new ScriptedEngine());

        Assert.Null(host.Services.GetService<TracerProvider>());
        Assert.Null(host.Services.GetService<MeterProvider>());
        Assert.DoesNotContain(host.Services.GetServices<ILoggerProvider>(), provider => provider is OpenTelemetryLoggerProvider);
    }

    private Task<RunningHost> StartAsync(params string[] settings) => RunningHost.StartAsync(
        storage.ConnectionString,
        _ => new ScriptedEngine { HasChatTemplate = true },
        services => services.AddOpenTelemetry()
            .WithTracing(traces => TelemetryExport.Record(traces).AddInMemoryExporter(_spans))
            .WithMetrics(metrics => metrics.AddMeter(MetricNames.Meter).AddInMemoryExporter(_metrics, reader => reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds = Timeout.Infinite))
            .WithLogging(logs => logs.AddInMemoryExporter(_logs), options => (options.IncludeScopes, options.IncludeFormattedMessage) = (true, true)),
        settings: ["--Logging:LogLevel:Default=None", "--Logging:OpenTelemetry:LogLevel:Batch=Information", .. settings]);

    // With the context of a caller who has a trace of their own.
    private static async Task<string> SubmitAsync(RunningHost host, string path, string json)
    {
        using var caller = new Activity("caller").SetParentId($"00-{TraceId}-00f067aa0ba902b7-01").Start();
        using var response = await host.Http.PostAsync(path, new StringContent(json, null, "application/json"), Cancellation);
        return (await response.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("id").GetString()!;
    }

    private static async Task<JsonElement> EventAsync(RunningHost host)
    {
        while (true)
        {
            if ((await host.Queue(JobQueues.Events).ReceiveMessageAsync(cancellationToken: Cancellation)).Value is { } message)
            {
                return JsonDocument.Parse(message.Body.ToMemory()).RootElement;
            }
        }
    }

    // Complete once the host has ended.
    private List<Activity> OfTrace() => [.. _spans.Where(span => span.TraceId.ToHexString() == TraceId)];

    // Each a child of the next.
    private static void AssertPath(List<Activity> spans, params string[] names)
    {
        var span = spans.First(each => each.DisplayName == names[0]);
        foreach (var name in names[1..])
        {
            span = spans.SingleOrDefault(each => each.SpanId == span.ParentSpanId) ?? throw new Xunit.Sdk.XunitException($"the parent of '{span.DisplayName}' is not of the trace; it has {string.Join(", ", spans.Select(each => each.DisplayName))}");
            Assert.Equal(name, span.DisplayName);
        }
    }

    private static string? TraceOf(string? traceparent) => traceparent?.Split('-')[1];

    private List<MetricPoint> Points(string name)
    {
        var points = new List<MetricPoint>();
        foreach (var point in _metrics.Last(metric => metric.Name == name).GetMetricPoints())
        {
            points.Add(point);
        }

        return points;
    }

    private static Dictionary<string, string?> TagsOf(MetricPoint point)
    {
        var tags = new Dictionary<string, string?>();
        foreach (var tag in point.Tags)
        {
            tags[tag.Key] = tag.Value?.ToString();
        }

        return tags;
    }

    private static string? Tag(MetricPoint point, string name) => TagsOf(point).GetValueOrDefault(name);

    private static string? ScopeOf(LogRecord log, string name)
    {
        string? found = null;
        log.ForEachScope<object?>((scope, _) => found = scope.Scope is IEnumerable<KeyValuePair<string, object?>> values ? values.FirstOrDefault(value => value.Key == name).Value?.ToString() ?? found : found, null);
        return found;
    }
}
