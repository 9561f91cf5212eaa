using System.Text.Json;
using System.Text.Json.Serialization;
using Batch.Inference.Engine;
using Batch.Inference.Engine.Interventions;
using Batch.Jobs.Access;
using Batch.Jobs.Receipts;
using Batch.Jobs.Storage;

namespace Batch.Jobs;

/// <summary>A job as its caller sees it. Times are Unix seconds.</summary>
/// <param name="Id">The caller's own, or job_ and an id.</param>
/// <param name="Status">Where it stands.</param>
/// <param name="CreatedAt">When it was handed in.</param>
/// <param name="StartedAt">When it first ran.</param>
/// <param name="FinishedAt">When it ended.</param>
/// <param name="Model">The model that is asked, or wrote the text.</param>
/// <param name="Tenant">Whose it is.</param>
/// <param name="Metadata">The caller's pairs.</param>
/// <param name="Attempts">How often it ran.</param>
/// <param name="Progress">How far it is.</param>
/// <param name="Text">The first text: so far while it runs, whole when it has ended; absent in a list.</param>
/// <param name="FinishReason">Of the first text: stop, length, repetition, cancelled or expired.</param>
/// <param name="Usage">The tokens of all texts.</param>
/// <param name="ResultUrl">A link to the result that needs no key for a time.</param>
/// <param name="Error">Why it failed, where it did.</param>
/// <param name="Webhook">How its own webhook stands, where it has one.</param>
public sealed record JobView(
    string Id,
    JobState Status,
    long CreatedAt,
    long? StartedAt,
    long? FinishedAt,
    string? Model,
    string Tenant,
    IReadOnlyDictionary<string, string>? Metadata,
    int Attempts,
    JobViewProgress? Progress,
    string? Text,
    string? FinishReason,
    Usage? Usage,
    string? ResultUrl,
    JobViewError? Error,
    JobViewWebhook? Webhook)
{
    /// <summary>With a result: what was asked.</summary>
    public JobInput? Input { get; init; }

    /// <summary>With a result: what <c>batch verify</c> replays.</summary>
    public Receipt? Receipt { get; init; }

    /// <summary>With a result of a job with rules: what they did to the text.</summary>
    public IReadOnlyList<InterventionRecord>? Interventions { get; init; }

    /// <summary>The texts of a finished job that has several, or logprobs.</summary>
    public IReadOnlyList<JobChoice>? Choices { get; init; }

    /// <summary>Of a job of kind fill-mask: for each blank what may stand there, best first.</summary>
    public IReadOnlyList<IReadOnlyList<MaskCandidate>>? Candidates { get; init; }
}

/// <summary>How far a job is.</summary>
/// <param name="CompletionTokens">Tokens written.</param>
public sealed record JobViewProgress(int CompletionTokens);

/// <summary>Why a job failed.</summary>
/// <param name="Code">What a program may branch on.</param>
/// <param name="Message">For people.</param>
/// <param name="Param">The field to change, where one is to blame.</param>
public sealed record JobViewError(string Code, string Message, string? Param);

/// <summary>How the webhook of a job or batch stands.</summary>
/// <param name="Status">Where the delivery stands.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="LastError">What went wrong last.</param>
public sealed record JobViewWebhook(WebhookState Status, int Attempts, string? LastError);

/// <summary>Reads jobs for their callers.</summary>
public sealed class JobReader(JobStore store, BlobLinks links, EngineHost engines)
{
    /// <summary>The job with its text: so far while it runs, whole when it is finished, with a link to the result.</summary>
    public async Task<JobView?> FindAsync(string id, Caller caller, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(id, caller.Tenant, cancellationToken) is not { } job)
        {
            return null;
        }

        if (job.HasResult)
        {
            var result = await store.FindResultAsync(job, cancellationToken);
            var tellsMore = result?.Choices is { Count: > 1 } or [{ Logprobs: not null }];
            var url = await links.ToAsync(store.ResultBlob(job), cancellationToken);
            return View(job) with { ResultUrl = url.AbsoluteUri, Text = result?.Text, Choices = tellsMore ? result?.Choices : null, Input = result?.Input, Receipt = result?.Receipt, Interventions = result?.Interventions, Candidates = result?.Candidates };
        }

        var progress = job.State == JobState.Running ? await store.FindProgressAsync(job, cancellationToken) : null;
        return progress is null
            ? View(job)
            : View(job) with { Text = progress.Text, Progress = new JobViewProgress(progress.CompletionTokens) };
    }

    /// <summary>The caller's jobs, newest first, without texts, from the one after the job <paramref name="after"/>; null when that is no job.</summary>
    public async Task<JobPage?> ListAsync(int limit, string? after, Caller caller, CancellationToken cancellationToken)
    {
        var start = after is null ? null : await store.FindAsync(after, caller.Tenant, cancellationToken);
        if (after is not null && start is null)
        {
            return null;
        }

        var jobs = await store.ListAsync(caller.Tenant, start, cancellationToken).Take(limit + 1).Select(View).ToListAsync(cancellationToken);
        var page = jobs.Take(limit).ToList();
        return new JobPage("list", page, page.FirstOrDefault()?.Id, page.LastOrDefault()?.Id, jobs.Count > limit);
    }

    /// <summary>The job without its text, which lies elsewhere.</summary>
    public JobView View(Job job) => new(
        job.Id,
        job.State,
        job.CreatedAt.ToUnixTimeSeconds(),
        job.StartedAt?.ToUnixTimeSeconds(),
        job.FinishedAt?.ToUnixTimeSeconds(),
        job.Model ?? engines.ModelName,
        job.Tenant,
        job.Metadata is null ? null : JsonSerializer.Deserialize<SortedDictionary<string, string>>(job.Metadata),
        job.Attempts,
        job.HasResult ? new JobViewProgress(job.CompletionTokens) : null,
        Text: null,
        job.FinishReason,
        job.HasResult ? new Usage(job.PromptTokens, job.CompletionTokens) : null,
        job.HasResult ? store.ResultAddress(job).AbsoluteUri : null,
        job.ErrorCode is null ? null : new JobViewError(job.ErrorCode, job.ErrorMessage ?? "", job.ErrorParam),
        job.WebhookUrl is null
            ? null
            : new JobViewWebhook(job.WebhookState ?? WebhookState.Pending, job.WebhookAttempts, job.WebhookLastError));
}

/// <summary>One page of a list, shaped as OpenAI's.</summary>
/// <param name="Kind">Always list.</param>
/// <param name="Data">The objects.</param>
/// <param name="FirstId">The first of them.</param>
/// <param name="LastId">The last of them, for after.</param>
/// <param name="HasMore">There are more after the last.</param>
public sealed record JobPage(
    [property: JsonPropertyName("object")] string Kind,
    IReadOnlyList<JobView> Data,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? FirstId,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? LastId,
    bool HasMore);
