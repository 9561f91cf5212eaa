using System.Globalization;
using Batch.Inference.Engine;
using Batch.Jobs.Receipts;
using Batch.Jobs.Requests;
using Batch.Jobs.Runs;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Options;

namespace Batch.Jobs;

/// <summary>One run of a job: from its stored request, through the engine, to a result that is not yet written anywhere.</summary>
public sealed class JobGenerator(EngineHost engines, GenerationDefaults defaults, JobStore store, IOptions<JobsOptions> options, TimeProvider time)
{
    /// <summary>Waits for the engine, so that a job is not called running, nor its attempts counted, while its model loads.</summary>
    public Task ReadyAsync(Job job, CancellationToken cancellationToken) => engines.GetAsync(job.Model, cancellationToken);

    /// <summary>The result that stands: an earlier run's, or what this run generates.</summary>
    public async Task<JobResult> ResultAsync(JobRun run, CancellationToken cancellationToken) =>
        (run.Job.Epoch > 1 ? await store.FindResultAsync(run.Job, cancellationToken) : null)
        ?? await store.AddResultAsync(run.Job, await GenerateAsync(run, cancellationToken), CancellationToken.None);

    /// <summary>
    /// The result: whole, or cut short in state cancelled or expired. Throws <see cref="InvalidJobException"/> when this model cannot do
    /// the job; when the host shuts down <see cref="OperationCanceledException"/>, after what there is was saved for the next run; and
    /// <see cref="RunLostException"/> when another run has taken over.
    /// </summary>
    private async Task<JobResult> GenerateAsync(JobRun jobRun, CancellationToken cancellationToken)
    {
        var job = jobRun.Job;
        var engine = await engines.GetAsync(job.Model, cancellationToken);
        var request = await store.ReadRequestAsync(job, cancellationToken);
        RequireModel(job.Model, engine.Model.Name);
        if (request.Kind == JobKind.FillMask)
        {
            return await BlankFilling.RunAsync(jobRun, request, engine, store, options.Value, time, cancellationToken);
        }

        var generation = Prepare(job, request, engine);
        var started = time.GetTimestamp();
        IReadOnlyList<JobChoice> choices;
        var run = new TextGeneration(engine, generation, request.Operation, generation.Sampling.Echo ? request.Prompt! : "", jobRun.From);
        var watch = new RunWatch(jobRun, run.Take, store, options.Value, time, cancellationToken);
        await using (watch)
        {
            choices = await RunAsync(run, (_, update) => watch.Add(update), watch.Stop);
        }

        await watch.RequireOwnedAsync();
        if (watch.StopState is null && cancellationToken.IsCancellationRequested && choices.Any(IsCut))
        {
            await watch.ReleaseAsync();
            throw new OperationCanceledException(cancellationToken);
        }

        var status = JobState.Succeeded;
        if (choices.Any(IsCut))
        {
            status = watch.StopState ?? throw new InvalidOperationException($"the engine cancelled the text of job {job.Id} unasked");
            choices = [.. choices.Select(choice => IsCut(choice) ? choice with { FinishReason = JobResult.ReasonOf(status) } : choice)];
        }

        var usage = new Usage(generation.PromptTokenIds.Count, run.CompletionTokens)
        {
            PromptTokensDetails = new PromptTokensDetails(run.CachedTokens),
        };
        var timings = new Timings(
            (job.StartedAt - job.CreatedAt)?.TotalSeconds ?? 0, watch.FirstToken?.TotalSeconds, time.GetElapsedTime(started).TotalSeconds);
        return new JobResult(
            job.Id, status, choices[0].Text, choices[0].FinishReason, usage, engine.Model.Name, engine.Model.Identity, generation.Sampling, timings,
            request.Metadata, job.CreatedAt, time.GetUtcNow())
        {
            Input = new JobInput(request.Prompt, request.Messages, request.PromptTokenIds),
            Receipt = Receipt.Of(engine.Model, generation.Sampling, generation.PromptTokenIds, run.Completions),
            Choices = choices,
            PromptLogprobs = run.PromptLogprobs,
        };
    }

    internal static bool IsCut(JobChoice choice) => choice.FinishReason == JobResult.ReasonOf(JobState.Cancelled);

    // What the engine refuses of a request is the caller's mistake, as what was refused before it.
    internal static async Task<IReadOnlyList<JobChoice>> RunAsync(TextGeneration run, Action<int, GenerationUpdate> update, CancellationToken cancellationToken)
    {
        try
        {
            return await run.RunAsync(update, cancellationToken);
        }
        catch (GenerationRefusedException e)
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, e.Message);
        }
    }

    /// <summary>Whether the configured model is the one that is asked for; null asks for whichever is configured.</summary>
    internal static void RequireModel(string? asked, string configured)
    {
        if (asked is not null && asked != configured)
        {
            throw new InvalidJobException(
                JobErrorCode.ModelNotFound, $"model {JsonField.Quote(asked)} is not served here; ask for '{configured}' or leave model out",
                "model");
        }
    }

    private GenerationRequest Prepare(Job job, JobRequest request, LlmEngine engine)
    {
        RequireModel(job.Model, engine.Model.Name);
        return Prepare(job.Id, request, ulong.Parse(job.Seed, CultureInfo.InvariantCulture), job.Priority, engine);
    }

    /// <summary>What the engine is asked for a request that has an id and a seed.</summary>
    internal GenerationRequest Prepare(string id, JobRequest request, ulong seed, int priority, LlmEngine engine)
    {
        RequireModel(request.Model, engine.Model.Name);
        if (engine is MaskFiller)
        {
            throw new InvalidJobException(
                JobErrorCode.UnsupportedParameter,
                $"kind '{JobKind.Generate}' needs a model that writes text, '{engine.Model.Name}' is a {engine.Model.Family} model, which fills blanks: ask for kind '{JobKind.FillMask}'",
                "kind");
        }

        var sampling = request.Parameters.Over(defaults.Of(engines.Find(request.Model))) with { Seed = seed };
        JobParameters.Refused(() => sampling.ValidateTokens(engine.Tokenizer.VocabularySize));
        if (sampling.Echo && request.Prompt is null)
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, "echo must be left out unless prompt is a text: it repeats it", "echo");
        }

        var ids = Encode(new JobInput(request.Prompt, request.Messages, request.PromptTokenIds), engine);
        if (ids.Length == 0)
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, "prompt must hold at least one token, held none", "prompt");
        }

        return ids.Length < engine.Model.ContextLength
            ? new GenerationRequest(id, ids, sampling with { MaxTokens = sampling.MaxTokens ?? engine.Model.ContextLength - ids.Length }, priority)
            : throw new InvalidJobException(
                JobErrorCode.PromptTooLong,
                $"prompt must be at most {engine.Model.ContextLength - 1} tokens for model '{engine.Model.Name}', was {ids.Length}",
                "prompt");
    }

    internal static int[] Encode(JobInput input, LlmEngine engine)
    {
        if (input.PromptTokenIds is { } ids)
        {
            return ids.FirstOrDefault(id => id >= engine.Tokenizer.VocabularySize, -1) is >= 0 and var unknown
                ? throw new InvalidJobException(
                    JobErrorCode.InvalidRequest,
                    $"prompt must hold token ids below {engine.Tokenizer.VocabularySize} for model '{engine.Model.Name}', held {unknown}", "prompt")
                : [.. ids];
        }

        if (input.Messages is not { } messages)
        {
            return engine.Tokenizer.Encode(input.Prompt!);
        }

        if (engine.Tokenizer.ChatTemplate is null)
        {
            throw new InvalidJobException(
                JobErrorCode.UnsupportedParameter, $"messages needs a chat template, model '{engine.Model.Name}' has none; send prompt", "messages");
        }

        try
        {
            return engine.Tokenizer.EncodeChat(messages);
        }
        catch (ArgumentException e)
        {
            throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"the chat template of '{engine.Model.Name}' refuses messages: {e.Message}", "messages");
        }
        catch (InvalidDataException e)
        {
            throw new InvalidJobException(
                JobErrorCode.UnsupportedParameter, $"messages cannot be written for '{engine.Model.Name}' ({e.Message}); send prompt", "messages");
        }
    }
}
