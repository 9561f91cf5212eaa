using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Access;
using Batch.Jobs.Audit;
using Batch.Jobs.Batches;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Interactive;

/// <summary>Takes in the requests that somebody waits for. They go ahead of jobs and batches at the engine's next step.</summary>
public sealed class InteractiveCompletions(EngineHost engines, JobGenerator generator, AuditLog audit, TimeProvider time)
{
    public const string ChatEndpoint = CompletionBody.Chat;
    public const string TextEndpoint = CompletionBody.Text;

    /// <summary>Fields of a job that a completion does not take.</summary>
    public static IReadOnlySet<string> NotFields => CompletionBody.NotHere;

    /// <summary>Fields of a body that say something about the request, not about its text.</summary>
    public static IReadOnlySet<string> WithoutEffect => CompletionBody.WithoutEffect;

    /// <summary>
    /// Ready to run. Throws <see cref="InvalidJobException"/>, of which the audit log has a row, and <see cref="ModelNotReadyException"/>.
    /// </summary>
    public async Task<InteractiveCompletion> OpenAsync(string endpoint, ReadOnlyMemory<byte> body, Caller caller, CancellationToken cancellationToken)
    {
        try
        {
            using var document = JobRequestParser.ReadJson(body);
            var stream = StreamOptions.Read(document.RootElement);
            var request = Parse(endpoint, document.RootElement);
            stream.Check(request.Parameters);
            var model = engines.Find(request.Model);
            if (model.NotReadyReason is { } reason)
            {
                throw new ModelNotReadyException($"model '{model.Name}' cannot answer yet: {reason}");
            }

            var id = RandomNumberGenerator.GetHexString(32, lowercase: true);
            var run = new CompletionRun(id, request, GenerationRequest.Urgent, await model.Engine.WaitAsync(cancellationToken), generator);
            return new InteractiveCompletion(endpoint, stream, request, run, Row(endpoint, id, request, run, caller), audit, time);
        }
        catch (InvalidJobException e)
        {
            await audit.RefusedAsync(caller, RouteOf(endpoint), e, cancellationToken);
            throw;
        }
    }

    private static JobRequest Parse(string endpoint, JsonElement body)
    {
        try
        {
            return CompletionBody.Parse(endpoint, body, mayStream: true);
        }
        catch (InvalidOperationException)
        {
            // What System.Text.Json throws for a string that is not Unicode.
            throw new InvalidJobException(JobErrorCode.InvalidRequest, "the body holds text that is not Unicode, such as half a surrogate pair");
        }
    }

    // Never stored as a job: it is what the audit log knows of a request.
    private Job Row(string endpoint, string id, JobRequest request, CompletionRun run, Caller caller)
    {
        var text = JobIntake.TextOf(request);
        return new Job
        {
            PartitionKey = $"{(endpoint == ChatEndpoint ? "chatcmpl" : "cmpl")}-{id}",
            Tenant = caller.Tenant,
            Caller = caller.Name,
            RequestId = caller.RequestId,
            Route = RouteOf(endpoint),
            Model = run.Engine.Model.Name,
            PromptSha256 = JobIntake.HashOf(Encoding.UTF8.GetBytes(text)),
            PromptCharacters = text.Length,
            PromptTokens = run.Generation.PromptTokenIds.Count,
            Seed = run.Generation.Sampling.Seed!.Value.ToString(CultureInfo.InvariantCulture),
            Attempts = 1,
            CreatedAt = time.GetUtcNow(),
        };
    }

    private static string RouteOf(string endpoint) => $"POST {endpoint}";
}
