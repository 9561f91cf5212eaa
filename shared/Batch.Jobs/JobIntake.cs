using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Azure.Storage.Queues.Models;
using Batch.Jobs.Access;
using Batch.Jobs.Audit;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.Options;

namespace Batch.Jobs;

/// <summary>How a job comes to exist: from HTTP, or from a message that names a job or is one.</summary>
public sealed class JobIntake(
    JobStore store, JobQueues queues, InputReader inputs, AuditLog audit, IOptions<WebhookOptions> webhooks, TimeProvider time)
{
    /// <summary>
    /// Accepts a submission and enqueues it. The same <paramref name="idempotencyKey"/> (or id in the body) with the same content gives the
    /// same job; with other content <see cref="InvalidJobException"/> of code idempotency_conflict, as with one of another code where the
    /// submission is wrong.
    /// </summary>
    public async Task<Job> SubmitAsync(
        ReadOnlyMemory<byte> body, string? idempotencyKey, Caller caller, string route, CancellationToken cancellationToken)
    {
        try
        {
            using var document = JobRequestParser.ReadJson(body);
            var request = OwnedBy(caller, await inputs.ReadAsync(document.RootElement, cancellationToken));
            var id = request.Id ?? IdFrom(idempotencyKey, caller) ?? NewId();
            var job = await AddAsync(id, request, caller, route, cancellationToken);
            if (job.Fingerprint != FingerprintOf(request))
            {
                throw new InvalidJobException(
                    JobErrorCode.IdempotencyConflict,
                    $"job {id} was submitted with other content; use another key or send the same content", "id");
            }

            // The row comes before the message, so no message finds nothing. A crash between them is healed when the caller, who got no
            // answer, submits again.
            if (job.State == JobState.Queued)
            {
                await EnqueueAsync(job, cancellationToken);
            }

            return job;
        }
        catch (InvalidJobException e)
        {
            await audit.RefusedAsync(caller, route, e, cancellationToken);
            throw;
        }
    }

    /// <summary>Whether the caller has a job under the submission's id or key: one that got no answer comes again.</summary>
    public async Task<bool> HasAcceptedAsync(ReadOnlyMemory<byte> body, string? idempotencyKey, Caller caller, CancellationToken cancellationToken)
    {
        using var document = JobRequestParser.ReadJson(body);
        return (Named(document.RootElement, "id") ?? IdFrom(idempotencyKey, caller)) is { } id && await store.FindAsync(id, caller.Tenant, cancellationToken) is not null;
    }

    /// <summary>
    /// The job that a queue message means: <c>{"jobId": …, "tenant": …}</c> names it, any other object is a whole submission, and what is neither
    /// becomes a failed job. A submission's id follows from the message, so that the message delivered again is the same job.
    /// </summary>
    public async Task<Arrival> FromQueueAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var carried = true;
        var (id, tenant) = (IdFrom(message.MessageId), Caller.DefaultTenant);
        try
        {
            using var document = JobRequestParser.ReadJson(message.Body.ToMemory());
            var root = document.RootElement;
            var named = Named(root, "jobId");
            carried = named is null;
            id = named ?? Named(root, "id") ?? id;
            tenant = Named(root, "tenant") ?? tenant;
            if (named is not null)
            {
                return await store.FindAsync(named, tenant, cancellationToken) is { } known
                    ? new Arrival(known, carried)
                    : throw new InvalidJobException(
                        JobErrorCode.JobNotFound, $"no job {named} was submitted; put the submission itself on the queue, or POST it",
                        "jobId");
            }

            var request = await inputs.ReadAsync(root, cancellationToken);
            request = request with { Tenant = request.Tenant ?? tenant };
            return new Arrival(await AddAsync(id, request, Caller.Anyone("queue"), "queue", cancellationToken), carried);
        }
        catch (InvalidJobException e)
        {
            var now = time.GetUtcNow();
            var fingerprint = HashOf(message.Body.ToMemory().Span);
            var refused = new Job { PartitionKey = Job.Name(tenant, id), Tenant = tenant, CreatedAt = now, Caller = "queue", Route = "queue", Fingerprint = fingerprint };
            return new Arrival(await AddAsync(refused.Fail(e, now), request: null, cancellationToken), carried);
        }
    }

    /// <summary>The failed job that a message becomes which is no base64.</summary>
    public Task<Job> AddUndecodableAsync(QueueMessage message, CancellationToken cancellationToken)
    {
        var error = new InvalidJobException(JobErrorCode.InvalidRequest, "the message on batch-jobs must be base64, as host.json's messageEncoding says, was not");
        var now = time.GetUtcNow();
        var job = new Job { PartitionKey = IdFrom(message.MessageId), CreatedAt = now, Caller = "queue", Route = "queue", Fingerprint = HashOf(message.Body.ToMemory().Span) };
        return AddAsync(job.Fail(error, now), request: null, cancellationToken);
    }

    /// <summary>Whether the job may not start yet.</summary>
    public bool IsEarly(Job job) => job.NotBefore > time.GetUtcNow();

    /// <summary>Puts a message for the job on the queue, invisible until its not_before, or for the longest a message can be.</summary>
    public Task EnqueueAsync(Job job, CancellationToken cancellationToken) =>
        EnqueueAsync(job, (job.NotBefore - time.GetUtcNow()) ?? TimeSpan.Zero, cancellationToken);

    /// <summary>Puts a message for the job on the queue, invisible for the delay.</summary>
    public Task EnqueueAsync(Job job, TimeSpan delay, CancellationToken cancellationToken) => queues.EnqueueJobAsync(job, delay, cancellationToken);

    /// <summary>Keeps a message for a job that was given up, so that an operator finds it and can replay it.</summary>
    public Task KeepForReplayAsync(Job job, CancellationToken cancellationToken) => queues.KeepFailedJobAsync(job, cancellationToken);

    private async Task<Job> AddAsync(string id, JobRequest request, Caller caller, string route, CancellationToken cancellationToken)
    {
        webhooks.Value.Require(request.WebhookUrl);
        inputs.RequireModel(request.Model);
        var text = TextOf(request);
        var job = new Job
        {
            PartitionKey = Job.Name(request.Tenant!, id),
            Tenant = request.Tenant!,
            Caller = caller.Name,
            RequestId = caller.RequestId,
            Route = route,
            Model = request.Model,
            Fingerprint = FingerprintOf(request),
            PromptSha256 = HashOf(Encoding.UTF8.GetBytes(text)),
            PromptCharacters = text.Length,
            Seed = (request.Parameters.Seed ?? NewSeed()).ToString(CultureInfo.InvariantCulture),
            Priority = request.Priority,
            NotBefore = request.NotBefore,
            Deadline = request.Deadline,
            WebhookUrl = request.WebhookUrl,
            Metadata = request.Metadata is null ? null : JsonSerializer.Serialize(request.Metadata, JobJson.Options),
            CreatedAt = time.GetUtcNow(),
            Traceparent = Tracing.Current ?? request.Traceparent,
        };
        return await AddAsync(job, request, cancellationToken);
    }

    private async Task<Job> AddAsync(Job job, JobRequest? request, CancellationToken cancellationToken)
    {
        var stored = await store.AddAsync(job, request, cancellationToken);
        if (stored.Fingerprint == job.Fingerprint)
        {
            // Also for a job that was there before: a crash may have come between these two writes, and the audit row's keys follow from
            // the job's row.
            await audit.RequestedAsync(stored, request, cancellationToken);
        }

        return stored;
    }

    private static JobRequest OwnedBy(Caller caller, JobRequest request) => request.Tenant is null || request.Tenant == caller.Tenant
        ? request with { Tenant = caller.Tenant }
        : throw new InvalidJobException(
            JobErrorCode.InvalidRequest, $"tenant must be that of the API key, '{caller.Tenant}', was {JsonField.Quote(request.Tenant)}", "tenant");

    // What the audit log counts and hashes as the prompt.
    internal static string TextOf(JobRequest request) =>
        request.Prompt ?? JsonSerializer.Serialize<object?>(request.Messages ?? (object?)request.PromptTokenIds, JobJson.Options);

    private static string NewId() => $"job_{RandomNumberGenerator.GetHexString(32, lowercase: true)}";

    // At most 53 bits, so that a reader of the result who knows only doubles keeps every digit.
    private static ulong NewSeed() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) >> 11;

    private static string? IdFrom(string? idempotencyKey, Caller caller) => idempotencyKey is null ? null : IdFrom($"{caller.Tenant}\n{idempotencyKey}");

    private static string IdFrom(string key) => $"job_{HashOf(Encoding.UTF8.GetBytes(key))[..32]}";

    private static string FingerprintOf(JobRequest request) =>
        HashOf(JsonSerializer.SerializeToUtf8Bytes(request with { Id = null }, JobJson.Options));

    internal static string HashOf(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));

    private static string? Named(JsonElement root, string field) =>
        root.ValueKind == JsonValueKind.Object && root.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.String
            && JsonField.IsName(value.GetString()!)
            ? value.GetString()
            : null;
}

/// <summary>The job that a queue message means, and whether the message was the submission itself rather than the job's name.</summary>
public readonly record struct Arrival(Job Job, bool Carried);
