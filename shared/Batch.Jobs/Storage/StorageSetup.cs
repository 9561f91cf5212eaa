using Microsoft.Extensions.Hosting;

namespace Batch.Jobs.Storage;

/// <summary>Creates the tables, containers and queues that are missing, before anything else of the host starts.</summary>
public sealed class StorageSetup(StorageClients clients) : IHostedLifecycleService
{
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll([
            .. Names.Tables.Select(name => clients.Tables.CreateTableIfNotExistsAsync(name, cancellationToken)),
            .. Names.Containers.Select(
                name => clients.Blobs.GetBlobContainerClient(name).CreateIfNotExistsAsync(cancellationToken: cancellationToken)),
            .. Names.Queues.Select(
                name => clients.Queues.GetQueueClient(name).CreateIfNotExistsAsync(cancellationToken: cancellationToken)),
        ]);
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static class Names
    {
        public static readonly string[] Tables = [JobStore.JobsTable, Audit.AuditLog.AuditTable, Access.ApiKeyStore.ApiKeysTable, Idempotency.IdempotencyKeys.IdempotencyTable, Schedules.ScheduleStore.SchedulesTable, Schedules.ScheduleStore.RunsTable, Files.FileStore.FilesTable, Batches.BatchStore.BatchesTable, Retention.ExpiryIndex.ExpiriesTable, Webhooks.EndpointStore.EndpointsTable, Webhooks.DeliveryStore.DeliveriesTable];
        public static readonly string[] Containers = [JobStore.InputsContainer, JobStore.ResultsContainer, JobStore.ProgressContainer, Files.FileStore.FilesContainer, Batches.BatchBlobs.BatchesContainer, Batches.BatchBlobs.OutputsContainer];
        public static readonly string[] Queues = [JobQueues.Jobs, JobQueues.FailedJobs, JobQueues.Events, JobQueues.Webhooks, Batches.BatchQueues.Lines, Batches.BatchQueues.Dispatch];
    }
}
