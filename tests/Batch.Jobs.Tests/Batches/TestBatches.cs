using System.Text;
using System.Text.Json;
using Azure.Messaging.EventGrid;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using Batch.Inference.Engine;
using Batch.Jobs.Access;
using Batch.Jobs.Audit;
using Batch.Jobs.Batches;
using Batch.Jobs.Files;
using Batch.Jobs.Requests;
using Batch.Jobs.Runs;
using Batch.Jobs.Storage;
using Batch.Jobs.Tests.Webhooks;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace Batch.Jobs.Tests.Batches;

/// <summary>Batches over real queues, tables and blobs, with a scripted engine, a clock that the test moves, and the test as their host.</summary>
internal sealed class TestBatches : IAsyncDisposable
{
    private readonly QueueServiceClient _host;
    private readonly LineRunner _runner;

    private TestBatches(string connectionString, BatchOptions? options, bool loads, EventGridPublisherClient? topic)
    {
        Clients = TestBatch.ClientsOf(connectionString, Faults);
        _host = new QueueServiceClient(connectionString, StorageClients.QueueOptions);
        var (batchOptions, jobOptions) = (Options.Create(options ?? new BatchOptions()), Options.Create(new JobsOptions { LeaseSeconds = 0 }));
        var webhooks = Options.Create(new WebhookOptions { Secret = TestWebhooks.Secret });
        var engineOptions = Options.Create(new EngineOptions { ModelPath = "/models/scripted" });
        Engines = new EngineHost((_, _) => loads ? Engine : throw new FileNotFoundException("not yet"), engineOptions, Options.Create(new ModelsOptions()), Time, NullLogger<EngineHost>.Instance);
        Files = new FileStore(Clients, Time);
        Store = new BatchStore(Clients);
        Queues = new BatchQueues(Clients);
        Blobs = new BatchBlobs(Clients, Files);
        var addresses = new BatchAddresses(Clients, jobOptions, batchOptions, webhooks);
        var audit = new AuditLog(Clients, Options.Create(new AuditOptions()), Time);
        Reader = new BatchReader(Store, addresses, Engines, batchOptions);
        Intake = new BatchIntake(Store, Queues, Files, addresses, audit, Time);
        Control = new BatchControl(Store, Queues, Intake, Blobs, Files, Time);
        var generator = new JobGenerator(Engines, new GenerationDefaults(), new JobStore(Clients), jobOptions, Time);
        _runner = new LineRunner(generator, Engines, Time, NullLogger<LineRunner>.Instance);
        Slices = NewSlices();
        Webhooks = new TestWebhooks(connectionString, Clients, webhooks.Value, Receiver, Time, topic);
        Dispatcher = NewDispatcher();

        BatchDispatcher NewDispatcher() => new(
            Store, Blobs, Queues, new BatchValidator(Store, Blobs, Clients, Files, Engines, batchOptions),
            new BatchCollector(Store, Blobs, new BatchFiles(Blobs, Files), Time),
            new BatchEvents(Store, Webhooks.Sink, Reader, audit, NullLogger<BatchEvents>.Instance),
            new DispatchTurns(Clients, Queues, Time), batchOptions, Time, NullLogger<BatchDispatcher>.Instance);
    }

    public StorageFaults Faults { get; } = new();

    public StorageClients Clients { get; }

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));

    public ScriptedEngine Engine { get; } = new();

    public EngineHost Engines { get; }

    public FileStore Files { get; }

    public BatchStore Store { get; }

    public BatchQueues Queues { get; }

    public BatchBlobs Blobs { get; }

    public BatchReader Reader { get; }

    public BatchIntake Intake { get; }

    public BatchControl Control { get; }

    public SliceProcessor Slices { get; }

    public BatchDispatcher Dispatcher { get; }

    public TestWebhooks Webhooks { get; }

    public RecordingReceiver Receiver { get; } = new();

    /// <summary>The messages of slices, in the order in which they came to the queue's head.</summary>
    public List<SliceMessage> Admitted { get; } = [];

    public static Caller Tester => TestBatch.Tester;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<TestBatches> StartAsync(StorageEmulator storage, BatchOptions? options = null, bool loads = true, EventGridPublisherClient? topic = null)
    {
        var batches = new TestBatches(storage.ConnectionString, options, loads, topic);
        await new StorageSetup(batches.Clients).StartingAsync(Cancellation);
        foreach (var queue in new[] { BatchQueues.Lines, BatchQueues.Dispatch, JobQueues.Events, JobQueues.Webhooks })
        {
            await batches._host.GetQueueClient(queue).ClearMessagesAsync(Cancellation);
        }

        await foreach (var row in batches.Store.ListActiveAsync(Cancellation))
        {
            await batches.Store.RetireAsync(row, Cancellation);
        }

        await batches.Clients.Tables.GetTableClient(BatchStore.BatchesTable).DeleteEntityAsync(DispatchTurn.Partition, DispatchTurn.Row, cancellationToken: Cancellation);
        await batches.Engines.StartAsync(Cancellation);
        return batches;
    }

    /// <summary>A process of its own, over the same storage and engine.</summary>
    public SliceProcessor NewSlices(double leaseSeconds = 0)
    {
        var runs = new SliceRuns(Blobs, Queues, Options.Create(new JobsOptions { LeaseSeconds = leaseSeconds }), new ShutdownSignal(CancellationToken.None), Time);
        return new SliceProcessor(Store, Blobs, new BatchWatch(Store, Time), _runner, new DispatchNudge(Queues, Time), runs);
    }

    public async Task<string> UploadAsync(string content, string tenant = "default", string purpose = FilePurpose.Batch)
    {
        var file = new StoredFile { PartitionKey = tenant, RowKey = ObjectId.New(ObjectId.File, Time.GetUtcNow()), Filename = "input.jsonl", Purpose = purpose, Bytes = content.Length, CreatedAt = Time.GetUtcNow() };
        await Files.WriteAsync(tenant, file.Id, new MemoryStream(Encoding.UTF8.GetBytes(content)), Cancellation);
        await Files.PutAsync(file, Cancellation);
        return file.Id;
    }

    public static string Lines(int count, string prompt = "Once", string more = "") => string.Concat(Enumerable.Range(1, count).Select(i => Line($"line-{i}", $$"""{"prompt":"{{prompt}} {{i}}","max_tokens":8{{more}}}""")));

    public static string Line(string customId, string body, string url = "/v1/completions") =>
        $$"""{"custom_id":"{{customId}}","method":"POST","url":"{{url}}","body":{{body}}}""" + "\n";

    public async Task<BatchRow> CreateAsync(string content, string tenant = "default", string more = "", string? key = null, string window = "24h", string endpoint = "/v1/completions")
    {
        var file = await UploadAsync(content, tenant);
        return await CreateOfFileAsync(file, tenant, more, key, window, endpoint);
    }

    public Task<BatchRow> CreateOfFileAsync(string file, string tenant = "default", string more = "", string? key = null, string window = "24h", string endpoint = "/v1/completions") =>
        Intake.CreateAsync(
            BatchRequest.Parse(Encoding.UTF8.GetBytes($$"""{"input_file_id":"{{file}}","endpoint":"{{endpoint}}","completion_window":"{{window}}"{{more}}}""")),
            key, new Caller(tenant, ApiScopes.Admin, "tester"), Cancellation);

    public async Task<BatchRow> FindAsync(BatchRow batch) => (await Store.FindAsync(batch.Tenant, batch.Id, Cancellation))!;

    /// <summary>Delivers what waits, dispatcher and lines in turn, until nothing moves; gives what the armed crash threw, once.</summary>
    public async Task<Exception?> PumpAsync(Func<Task<bool>>? until = null, int rounds = 200)
    {
        for (var idle = 0; idle < 2 && rounds-- > 0;)
        {
            if (until is not null && await until())
            {
                return null;
            }

            var (dispatched, fault) = await DeliverAsync(BatchQueues.Dispatch, message => Dispatcher.ProcessAsync(message, Cancellation));
            var (ran, other) = fault is null ? await DeliverAsync(BatchQueues.Lines, RunAsync) : (0, null);
            if ((fault ?? other) is { } thrown)
            {
                Faults.Revive();
                return thrown;
            }

            // Turns that the dispatcher left for later come now.
            idle = dispatched + ran > 0 ? 0 : idle + 1;
            await TurnAsync();
        }

        return null;
    }

    /// <summary>Asks for a turn of the dispatcher, and delivers nothing else.</summary>
    public async Task TurnAsync()
    {
        var asked = new BatchQueues(new StorageClients(Clients.Tables, Clients.Blobs, _host));
        if (await Store.HasActiveAsync(Cancellation))
        {
            await asked.WakeAsync(TimeSpan.Zero, Cancellation);
        }
    }

    public Task<(int Delivered, Exception? Fault)> DispatchAsync() => DeliverAsync(BatchQueues.Dispatch, message => Dispatcher.ProcessAsync(message, Cancellation));

    public Task<(int Delivered, Exception? Fault)> RunLinesAsync(int most = int.MaxValue) => DeliverAsync(BatchQueues.Lines, RunAsync, most);

    /// <summary>The finished batch as its tenant sees it.</summary>
    public async Task<BatchView> FinishedAsync(BatchRow batch)
    {
        Assert.Null(await PumpAsync(async () => (await FindAsync(batch)).IsFinal));
        var view = await Reader.FindAsync(batch.Tenant, batch.Id, Cancellation);
        Assert.Null(view!.Progress);
        return view;
    }

    public async Task<List<JsonElement>> ReadAsync(string? fileId, string tenant = "default")
    {
        if (fileId is null)
        {
            return [];
        }

        var file = await Files.FindAsync(tenant, fileId, Cancellation);
        using var reader = new StreamReader(await Files.OpenAsync(file!, Cancellation));
        return [.. (await reader.ReadToEndAsync(Cancellation)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
    }

    public async Task<List<JsonElement>> EventsAsync()
    {
        var events = new List<JsonElement>();
        while ((await _host.GetQueueClient(JobQueues.Events).ReceiveMessageAsync(TimeSpan.FromMinutes(10), Cancellation)).Value is { } message)
        {
            events.Add(JsonDocument.Parse(message.Body.ToMemory()).RootElement);
        }

        return events;
    }

    public async ValueTask DisposeAsync()
    {
        await Engines.StopAsync(CancellationToken.None);
        await Engines.DisposeAsync();
    }

    private async Task RunAsync(QueueMessage message)
    {
        Admitted.Add(message.Body.ToObjectFromJson<SliceMessage>(JobJson.Options)!);
        await Slices.ProcessAsync(message, Cancellation);
    }

    private async Task<(int Delivered, Exception? Fault)> DeliverAsync(string name, Func<QueueMessage, Task> process, int most = int.MaxValue)
    {
        var (queue, delivered) = (_host.GetQueueClient(name), 0);
        while (delivered < most && (await queue.ReceiveMessageAsync(TimeSpan.FromMinutes(10), Cancellation)).Value is { } message)
        {
            delivered++;
            try
            {
                await process(message);
            }
            catch (Exception e)
            {
                await queue.UpdateMessageAsync(message.MessageId, message.PopReceipt, message.Body, TimeSpan.Zero, Cancellation);
                return (delivered, e);
            }

            await queue.DeleteMessageAsync(message.MessageId, message.PopReceipt, Cancellation);
        }

        return (delivered, null);
    }
}

/// <summary>Takes webhooks and keeps them.</summary>
internal sealed class RecordingReceiver : HttpMessageHandler
{
    public List<(Dictionary<string, string> Headers, string Body)> Requests { get; } = [];

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var headers = request.Headers.Concat(request.Content!.Headers).ToDictionary(header => header.Key, header => string.Join(",", header.Value));
        Requests.Add((headers, await request.Content.ReadAsStringAsync(cancellationToken)));
        return new HttpResponseMessage(System.Net.HttpStatusCode.NoContent);
    }
}
