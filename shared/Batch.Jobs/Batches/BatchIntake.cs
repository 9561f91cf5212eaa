using System.Text.Json;
using Batch.Jobs.Access;
using Batch.Jobs.Audit;
using Batch.Jobs.Files;
using Batch.Jobs.Idempotency;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;

namespace Batch.Jobs.Batches;

/// <summary>How a batch comes to exist; what is in its input is looked at afterwards.</summary>
public sealed class BatchIntake(
    BatchStore store, BatchQueues queues, FileStore files, BatchAddresses addresses, AuditLog audit, TimeProvider time)
{
    /// <summary>
    /// Accepts a batch. The same <paramref name="idempotencyKey"/> with the same request gives the same batch; with another
    /// <see cref="InvalidJobException"/> of code idempotency_conflict.
    /// </summary>
    public Task<BatchRow> CreateAsync(BatchRequest request, string? idempotencyKey, Caller caller, CancellationToken cancellationToken) =>
        CreateAsync(request, idempotencyKey, IdempotencyKeys.FingerprintOf(request), caller, cancellationToken);

    internal async Task<BatchRow> CreateAsync(
        BatchRequest request, string? idempotencyKey, string fingerprint, Caller caller, CancellationToken cancellationToken)
    {
        request = addresses.Resolve(request);
        if (request.InputFileId is { } input)
        {
            var file = await files.FindAsync(caller.Tenant, input, cancellationToken);
            _ = file switch
            {
                null => throw new InvalidJobException(JobErrorCode.FileNotFound, $"no file {JsonField.Quote(input)} was uploaded", "input_file_id"),
                { Purpose: not FilePurpose.Batch } => throw new InvalidJobException(
                    JobErrorCode.InvalidRequest, $"input_file_id must be a file of purpose 'batch', was '{file.Purpose}'", "input_file_id"),
                _ => 0,
            };
        }

        var row = RowOf(request, caller);
        row.RowKey = await store.Keys.ReserveAsync(caller.Tenant, "batches", idempotencyKey, fingerprint, row.Id, row.CreatedAt, cancellationToken);
        row = await store.AddAsync(row, cancellationToken);
        await audit.BatchRequestedAsync(row, cancellationToken);
        if (row.State == BatchState.Validating)
        {
            // A crash before it: the dispatcher finds the batch waiting and asks again.
            await queues.ValidateAsync(row, cancellationToken);
        }

        return row;
    }

    private BatchRow RowOf(BatchRequest request, Caller caller)
    {
        var now = time.GetUtcNow();
        return new BatchRow
        {
            PartitionKey = caller.Tenant,
            RowKey = ObjectId.New(ObjectId.Batch, now),
            Endpoint = request.Endpoint,
            CompletionWindow = request.CompletionWindow,
            InputFileId = request.InputFileId,
            InputBlob = request.InputBlob,
            OutputFolder = request.OutputFolder,
            Metadata = request.Metadata is null ? null : JsonSerializer.Serialize(request.Metadata, JobJson.Options),
            OutputLifeSeconds = request.OutputLifeSeconds,
            Priority = request.Priority,
            WebhookUrl = request.WebhookUrl,
            Caller = caller.Name,
            RequestId = caller.RequestId,
            CreatedAt = now,
            Traceparent = Tracing.Current,
            ExpiresAt = now + CompletionWindow.Read(request.CompletionWindow)!.Value,
            OutputFileId = ObjectId.New(ObjectId.File, now),
            ErrorFileId = ObjectId.New(ObjectId.File, now),
        };
    }
}
