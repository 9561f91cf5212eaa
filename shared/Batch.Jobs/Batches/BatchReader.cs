using System.Text.Json;
using Batch.Jobs.Files;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Batches;

/// <summary>Reads batches for their tenants.</summary>
public sealed class BatchReader(BatchStore store, BatchAddresses addresses, EngineHost engines, IOptions<BatchOptions> options)
{
    /// <summary>The batch; while it waits, with its place in the queue and why it waits.</summary>
    public async Task<BatchView?> FindAsync(string tenant, string id, CancellationToken cancellationToken) =>
        await store.FindAsync(tenant, id, cancellationToken) is { } row ? await ViewAsync(row, cancellationToken) : null;

    public async Task<BatchView> ViewAsync(BatchRow row, CancellationToken cancellationToken)
    {
        var view = View(row);
        if (view.Progress is not { } progress || row is not { State: BatchState.InProgress, CollectedSlices: 0 })
        {
            return view;
        }

        var (position, reason) = await WaitAsync(row, cancellationToken);
        return view with { Progress = progress with { Position = position, WaitingFor = reason } };
    }

    public async Task<Page<BatchView>> ListAsync(string tenant, string? after, int limit, CancellationToken cancellationToken)
    {
        var rows = await store.ListAsync(tenant, after, cancellationToken).Take(limit + 1).Select(View).ToListAsync(cancellationToken);
        return Page.Of(rows, limit, batch => batch.Id);
    }

    public BatchView View(BatchRow row) => new()
    {
        Id = row.Id,
        Endpoint = row.Endpoint,
        Model = row.Model ?? engines.ModelName,
        Errors = row.Errors is null ? null : new BatchErrors("list", JsonSerializer.Deserialize<List<BatchError>>(row.Errors, JobJson.Options)!),
        InputFileId = row.InputFileId,
        CompletionWindow = row.CompletionWindow,
        Status = row.State,
        OutputFileId = row is { OutputBytes: > 0, OutputFolder: null } ? row.OutputFileId : null,
        ErrorFileId = row is { ErrorBytes: > 0, OutputFolder: null } ? row.ErrorFileId : null,
        CreatedAt = row.CreatedAt.ToUnixTimeSeconds(),
        InProgressAt = row.InProgressAt?.ToUnixTimeSeconds(),
        ExpiresAt = row.ExpiresAt.ToUnixTimeSeconds(),
        FinalizingAt = row.FinalizingAt?.ToUnixTimeSeconds(),
        CompletedAt = EndedAs(row, BatchState.Completed),
        FailedAt = EndedAs(row, BatchState.Failed),
        ExpiredAt = EndedAs(row, BatchState.Expired),
        CancellingAt = row.CancellingAt?.ToUnixTimeSeconds(),
        CancelledAt = EndedAs(row, BatchState.Cancelled),
        RequestCounts = new BatchCounts(row.Lines, row.Succeeded, row.Errored + row.CancelledLines + row.ExpiredLines),
        Usage = new BatchUsage(
            row.InputTokens, new InputTokensDetails(row.CachedTokens), row.OutputTokens, new OutputTokensDetails(0), row.InputTokens + row.OutputTokens),
        Metadata = row.Metadata is null ? null : JsonSerializer.Deserialize<SortedDictionary<string, string>>(row.Metadata),
        InputBlob = row.InputBlob is { } input ? addresses.UrlOf(input) : null,
        OutputBlob = row is { OutputFolder: { } results, OutputBytes: > 0 } ? addresses.UrlOf($"{results}/{row.Id}/results.jsonl") : null,
        ErrorBlob = row is { OutputFolder: { } errors, ErrorBytes: > 0 } ? addresses.UrlOf($"{errors}/{row.Id}/errors.jsonl") : null,
        Priority = row.Priority,
        Paused = row.Paused,
        Outcome = new BatchOutcome(
            row.Succeeded, row.Errored, row.CancelledLines, row.ExpiredLines,
            row.ErrorCounts is null ? new SortedDictionary<string, int>() : JsonSerializer.Deserialize<SortedDictionary<string, int>>(row.ErrorCounts)!),
        Progress = row.IsFinal ? null : ProgressOf(row),
        Webhook = row.WebhookUrl is null
            ? null
            : new JobViewWebhook(row.WebhookState ?? WebhookState.Pending, row.WebhookAttempts, row.WebhookLastError),
    };

    private static long? EndedAs(BatchRow row, BatchState state) => row.State == state ? row.EndedAt?.ToUnixTimeSeconds() : null;

    private static BatchProgress ProgressOf(BatchRow row)
    {
        var left = row.Lines - row.EndedLines;
        double? eta = row is { LinesPerSecond: > 0, Paused: false } ? Math.Round(left / row.LinesPerSecond, 1) : null;
        var admitted = row.Slices == 0 ? 0 : (int)((long)row.Lines * row.Admitted / row.Slices);
        var reason = row.Paused ? "the batch is paused" : row.State == BatchState.Validating ? "the input is being validated" : null;
        return new BatchProgress(left, admitted, Math.Round(row.LinesPerSecond, 3), Math.Round(row.TokensPerSecond, 1), eta, null, reason);
    }

    private async Task<(int? Position, string? Reason)> WaitAsync(BatchRow row, CancellationToken cancellationToken)
    {
        if (row.Paused)
        {
            return (null, "the batch is paused");
        }

        if (row.Admitted > 0)
        {
            return (null, engines.Find(row.Model).NotReadyReason is { } notReady ? $"no line has ended yet: {notReady}" : "no line has ended yet");
        }

        var active = await store.ListActiveAsync(cancellationToken).ToListAsync(cancellationToken);
        var admission = new Admission(active, [], options.Value);
        var ahead = admission.Candidates.TakeWhile(other => other.Id != row.Id).Count();
        return (ahead + 1, admission.IsCapped(row.Tenant)
            ? $"tenant {row.Tenant} has as many tokens waiting and running as it may have ({options.Value.MaxEnqueuedTokens})"
            : ahead == 0 ? "its lines are next to be admitted" : $"{ahead} batches of higher priority or with an earlier deadline are admitted before");
    }
}
