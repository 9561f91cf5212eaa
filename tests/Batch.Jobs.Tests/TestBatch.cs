using System.Diagnostics.Metrics;
using System.Text;
using System.Text.Json;
using Azure.Core;
using Azure.Data.Tables;
using Azure.Messaging.EventGrid;
using Azure.Storage.Blobs;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using Batch.Inference.Engine;
using Batch.Jobs.Access;
using Batch.Jobs.Audit;
using Batch.Jobs.Events;
using Batch.Jobs.Requests;
using Batch.Jobs.Runs;
using Batch.Jobs.Storage;
using Batch.Jobs.Tests.Webhooks;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace Batch.Jobs.Tests;

/// <summary>The whole of Batch.Jobs over real queues, tables and blobs, with a scripted engine and a clock that the test moves.</summary>
internal sealed class TestBatch : IAsyncDisposable
{
    public const string Secret = TestWebhooks.Secret;

    public static readonly Caller Tester = Caller.Anyone("tester");

    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();

    // What the Functions host and the test itself use: no faults.
    private readonly QueueServiceClient _host;
    private readonly EventPublisher _events;
    private readonly JobSweep _sweep;
    private readonly PoisonSweep _poisonSweep;

    private TestBatch(string connectionString, AuditOptions? audit, WebhookOptions? webhooks, HttpMessageHandler? receiver, LlmEngine? engine, EventGridPublisherClient? topic)
    {
        Clients = ClientsOf(connectionString, Faults);
        _host = new QueueServiceClient(connectionString, StorageClients.QueueOptions);
        var jobOptions = Options.Create(new JobsOptions { LeaseSeconds = 0 });
        webhooks ??= new WebhookOptions { Secret = Secret };
        var engineOptions = Options.Create(new EngineOptions { ModelPath = "/models/scripted" });
        Engines = new EngineHost((_, _) => engine ?? Engine, engineOptions, Options.Create(new ModelsOptions()), Time, NullLogger<EngineHost>.Instance);
        Store = new JobStore(Clients);
        var queues = new JobQueues(Clients);
        var metrics = new JobMetrics(_services.GetRequiredService<IMeterFactory>());
        var log = new AuditLog(Clients, Options.Create(audit ?? new AuditOptions()), Time);
        Webhooks = new TestWebhooks(connectionString, Clients, webhooks, receiver, Time, topic);
        _events = new EventPublisher(Store, Webhooks.Sink, log, metrics, NullLogger<EventPublisher>.Instance);
        Intake = new JobIntake(Store, queues, new InputReader(Store, Engines, jobOptions), log, Options.Create(webhooks), Time);
        Processor = NewProcessor();
        Control = new JobControl(Store, Intake, _events, log, Time);
        Reader = new JobReader(Store, new BlobLinks(Clients, jobOptions, TimeProvider.System), Engines);
        _sweep = new JobSweep(Store, queues, Intake, Time, NullLogger<JobSweep>.Instance);
        _poisonSweep = new PoisonSweep(Store, new PoisonQueues(Clients), Intake, _events, Time, NullLogger<PoisonSweep>.Instance);
    }

    public StorageFaults Faults { get; } = new();

    public StorageClients Clients { get; }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));

    public ScriptedEngine Engine { get; } = new();

    public EngineHost Engines { get; }

    public JobStore Store { get; }

    public JobIntake Intake { get; }

    public JobProcessor Processor { get; }

    public JobControl Control { get; }

    public JobReader Reader { get; }

    public TestWebhooks Webhooks { get; }

    public static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<TestBatch> StartAsync(
        StorageEmulator storage, AuditOptions? audit = null, WebhookOptions? webhooks = null, HttpMessageHandler? receiver = null, LlmEngine? engine = null,
        EventGridPublisherClient? topic = null)
    {
        var batch = new TestBatch(storage.ConnectionString, audit, webhooks, receiver, engine, topic);
        await new StorageSetup(batch.Clients).StartingAsync(Cancellation);
        foreach (var queue in new[] { JobQueues.Jobs, JobQueues.FailedJobs, JobQueues.Events, JobQueues.Webhooks })
        {
            await batch.Clients.Queues.GetQueueClient(queue).ClearMessagesAsync(Cancellation);
        }

        // Each test's time begins anew.
        await batch.Clients.Tables.GetTableClient(JobStore.JobsTable).DeleteEntityAsync(SweepMark.Partition, SweepMark.Row, cancellationToken: Cancellation);
        await batch.Engines.StartAsync(Cancellation);
        return batch;
    }

    /// <summary>What the timer does each minute.</summary>
    public async Task SweepAsync()
    {
        await _sweep.SweepAsync(Cancellation);
        await _poisonSweep.SweepAsync(Cancellation);
    }

    public WaitingRoom NewRoom(int most, int mostPerTenant) =>
        new(Store, new JobQueues(Clients), Options.Create(new JobsOptions { MaxWaiting = most, MaxWaitingPerTenant = mostPerTenant }), Time);

    /// <summary>A process of its own, over the same storage and engine. By default whoever seems to be dead is, so that a crash may be followed at once.</summary>
    public JobProcessor NewProcessor(double leaseSeconds = 0, int checkpointTokens = 256)
    {
        var options = Options.Create(new JobsOptions { LeaseSeconds = leaseSeconds, CheckpointTokens = checkpointTokens });
        return new JobProcessor(
            Intake, new JobGenerator(Engines, new GenerationDefaults(), Store, options, Time), new RunClaims(Store, options, Time), _events,
            new ShutdownSignal(CancellationToken.None), NullLogger<JobProcessor>.Instance);
    }

    public Task<Job> SubmitAsync(string json, string? key = null) =>
        Intake.SubmitAsync(Encoding.UTF8.GetBytes(json), key, Tester, "test", Cancellation);

    public Task EnqueueAsync(string body) => _host.GetQueueClient(JobQueues.Jobs).SendMessageAsync(body, Cancellation);

    public async Task<QueueMessage?> ReceiveAsync(string queue = JobQueues.Jobs) =>
        (await _host.GetQueueClient(queue).ReceiveMessageAsync(TimeSpan.FromMinutes(10), Cancellation)).Value;

    /// <summary>Does with each visible message of batch-jobs what the Functions host does, once; gives what was thrown.</summary>
    public Task<List<Exception>> PumpAsync() => DeliverAllAsync(Cancellation);

    public Task<List<Exception>> PumpAsync(CancellationTokenSource stopping) => DeliverAllAsync(stopping.Token);

    private async Task<List<Exception>> DeliverAllAsync(CancellationToken shutdown)
    {
        var thrown = new List<Exception>();
        while (!shutdown.IsCancellationRequested && await ReceiveAsync() is { } message)
        {
            try
            {
                await Processor.ProcessAsync(message, shutdown);
            }
            catch (Exception e)
            {
                Faults.Revive();
                await _host.GetQueueClient(JobQueues.Jobs).UpdateMessageAsync(
                    message.MessageId, message.PopReceipt, message.Body, TimeSpan.Zero, Cancellation);
                thrown.Add(e);
                return thrown;
            }

            await _host.GetQueueClient(JobQueues.Jobs).DeleteMessageAsync(message.MessageId, message.PopReceipt, Cancellation);
        }

        return thrown;
    }

    /// <summary>Pumps until the armed crash happens or nothing is left; says whether it happened.</summary>
    public async Task<bool> PumpUntilCrashAsync() => (await PumpAsync()).OfType<SimulatedCrashException>().Any();

    public async Task<Job> FindAsync(string id) =>
        await Store.FindAsync(id, Tester.Tenant, Cancellation) ?? throw new InvalidOperationException($"no job {id}");

    /// <summary>Every event sent so far, oldest first.</summary>
    public async Task<List<JsonElement>> EventsAsync()
    {
        var events = new List<JsonElement>();
        while (await ReceiveAsync(JobQueues.Events) is { } message)
        {
            events.Add(JsonDocument.Parse(message.Body.ToMemory()).RootElement);
        }

        return events;
    }

    public async Task<List<TableEntity>> AuditAsync(string? jobId = null)
    {
        var rows = new List<TableEntity>();
        await foreach (
            var row in Clients.Tables.GetTableClient(AuditLog.AuditTable).QueryAsync<TableEntity>(cancellationToken: Cancellation))
        {
            if (jobId is null || row.GetString("JobId") == jobId)
            {
                rows.Add(row);
            }
        }

        return rows;
    }

    public async ValueTask DisposeAsync()
    {
        await Engines.StopAsync(CancellationToken.None);
        await Engines.DisposeAsync();
        await _services.DisposeAsync();
    }

    /// <summary>Clients that fail as <paramref name="faults"/> says.</summary>
    public static StorageClients ClientsOf(string connectionString, StorageFaults faults)
    {
        return new StorageClients(
            new TableServiceClient(connectionString, Faulty(new TableClientOptions())),
            new BlobServiceClient(connectionString, Faulty(new BlobClientOptions())),
            new QueueServiceClient(connectionString, Faulty(StorageClients.QueueOptions)))
        {
            Raw = new QueueServiceClient(connectionString),
        };

        T Faulty<T>(T options)
            where T : ClientOptions
        {
            options.AddPolicy(faults, HttpPipelinePosition.PerCall);
            return options;
        }
    }
}
