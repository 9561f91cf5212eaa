using System.Diagnostics.Metrics;
using System.Text;
using Azure.Data.Tables;
using Azure.Messaging.EventGrid;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Events;
using Batch.Jobs.Storage;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace Batch.Jobs.Tests.Webhooks;

/// <summary>Endpoints, deliveries and their sender over real storage, with the test as their host.</summary>
internal sealed class TestWebhooks
{
    public const string Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    private readonly QueueServiceClient _host;
    private readonly HttpMessageHandler _receiver;
    private readonly WebhookTargets _targets;
    private readonly JobQueues _queues;
    private readonly ReceiverTurns _turns;

    public TestWebhooks(string connectionString, StorageClients clients, WebhookOptions? given, HttpMessageHandler? receiver, FakeTimeProvider time, EventGridPublisherClient? topic = null)
    {
        var options = Options.Create(given ?? new WebhookOptions { Secret = Secret });
        (Clients, Time) = (clients, time);
        _host = new QueueServiceClient(connectionString, StorageClients.QueueOptions);
        _receiver = receiver ?? new WebhookAddressGuard(options).CreateHandler();
        Metrics = new JobMetrics(new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<IMeterFactory>());
        _queues = new JobQueues(clients);
        var (format, jobs, batches) = (new EventFormat(Options.Create(new JobsOptions())), new JobStore(clients), new BatchStore(clients));
        Endpoints = new EndpointStore(clients);
        Deliveries = new DeliveryStore(clients);
        FanOut = new WebhookFanOut(Endpoints, Deliveries, _queues, format);
        Sink = new EventSink(_queues, FanOut, format, topic);
        Secrets = new EndpointSecrets(options);
        var health = new EndpointHealth(Endpoints, Sink, options, time, NullLogger<EndpointHealth>.Instance);
        _targets = new WebhookTargets(Endpoints, Secrets, health, jobs, batches, options);
        _turns = new ReceiverTurns(options, time);
        Sender = NewSender();
        Control = new EndpointControl(Endpoints, Secrets, FanOut, options, time);
        Log = new DeliveryControl(Control, jobs, batches, Deliveries, _queues);
    }

    public StorageClients Clients { get; }

    public FakeTimeProvider Time { get; }

    public JobMetrics Metrics { get; }

    public EndpointStore Endpoints { get; }

    public EndpointSecrets Secrets { get; }

    public DeliveryStore Deliveries { get; }

    public WebhookFanOut FanOut { get; }

    public EventSink Sink { get; }

    public WebhookSender Sender { get; }

    public EndpointControl Control { get; }

    public DeliveryControl Log { get; }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Webhooks alone, with no jobs around them.</summary>
    public static async Task<TestWebhooks> StartAsync(
        StorageEmulator storage, WebhookOptions? options = null, HttpMessageHandler? receiver = null, StorageFaults? faults = null)
    {
        var clients = TestBatch.ClientsOf(storage.ConnectionString, faults ?? new StorageFaults());
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero));
        await new StorageSetup(clients).StartingAsync(Cancellation);
        var webhooks = new TestWebhooks(storage.ConnectionString, clients, options, receiver, time);
        await webhooks.ClearAsync();
        return webhooks;
    }

    public async Task ClearAsync()
    {
        foreach (var queue in new[] { JobQueues.Webhooks, JobQueues.Events })
        {
            await _host.GetQueueClient(queue).ClearMessagesAsync(Cancellation);
        }
    }

    /// <param name="timeout">Shorter than that of the product, where the test waits for it.</param>
    public WebhookSender NewSender(TimeSpan? timeout = null) => new(
        Deliveries, _targets, new WebhookCalls(new HttpClient(_receiver, disposeHandler: false) { Timeout = timeout ?? WebhookCalls.Timeout }, _turns, Metrics, Time), _queues, Time,
        NullLogger<WebhookSender>.Instance);

    public static Caller Owner(string tenant) => new(tenant, ApiScopes.Admin, "tester");

    public Task<EndpointView> CreateAsync(string tenant, string json, string? key = null) =>
        Control.CreateAsync(Encoding.UTF8.GetBytes(json), key, Owner(tenant), Cancellation);

    /// <summary>Tells an event of a job or batch that is nowhere.</summary>
    public Task TellAsync(string tenant, string type = "batch.completed", string subject = "batch_1", object? data = null) => Sink.SendAsync(
        new TenantEvent($"{subject}:{type.Split('.')[^1]}", type, tenant, subject, Time.GetUtcNow(), data ?? new { BatchId = subject, tenant }), null, Cancellation);

    public async Task<List<Delivery>> DeliveriesAsync(string endpointId, WebhookState? state = null) =>
        await Deliveries.ListAsync(DeliveryLog.OfEndpoint(endpointId), null, state, Cancellation).ToListAsync(Cancellation);

    /// <summary>Makes the attempt that a delivery waits for, whether it is due or not, and gives the delivery as it is then.</summary>
    public async Task<Delivery> AttemptAsync(Delivery delivery, bool isReplay = false, WebhookSender? sender = null)
    {
        await (sender ?? Sender).DeliverAsync(MessageOf(delivery, delivery.Attempts + 1, isReplay), Cancellation);
        return (await Deliveries.FindAsync(delivery.Log, delivery.Id, Cancellation))!;
    }

    public static QueueMessage MessageOf(Delivery delivery, int attempt, bool isReplay = false) => QueuesModelFactory.QueueMessage(
        "m", "p", $$"""{"log":"{{delivery.Log}}","delivery":"{{delivery.Id}}","attempt":{{attempt}},"replay":{{(isReplay ? "true" : "false")}}}""", 1);

    /// <summary>Does with each visible message of batch-webhooks what the Functions host does, once; gives what was thrown, after which it stops.</summary>
    public async Task<Exception?> PumpAsync()
    {
        var queue = _host.GetQueueClient(JobQueues.Webhooks);
        while ((await queue.ReceiveMessageAsync(TimeSpan.FromMinutes(10), Cancellation)).Value is { } message)
        {
            try
            {
                await Sender.DeliverAsync(message, Cancellation);
            }
            catch (Exception e)
            {
                await queue.UpdateMessageAsync(message.MessageId, message.PopReceipt, message.Body, TimeSpan.Zero, Cancellation);
                return e;
            }

            await queue.DeleteMessageAsync(message.MessageId, message.PopReceipt, Cancellation);
        }

        return null;
    }

    public async Task<int> WaitingAsync() =>
        (await _host.GetQueueClient(JobQueues.Webhooks).GetPropertiesAsync(Cancellation)).Value.ApproximateMessagesCount;

    public async Task<List<TableEntity>> RowsAsync(string table, string partition) =>
        await Clients.Tables.GetTableClient(table).QueryAsync<TableEntity>(TableClient.CreateQueryFilter($"PartitionKey eq {partition}"), cancellationToken: Cancellation).ToListAsync(Cancellation);
}
