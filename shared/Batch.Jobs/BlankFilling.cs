using Batch.Inference.Engine;
using Batch.Jobs.Requests;
using Batch.Jobs.Runs;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;

namespace Batch.Jobs;

/// <summary>One run of a job of kind fill-mask: what may stand in each blank of its prompt.</summary>
internal static class BlankFilling
{
    private const int DefaultCandidates = 5;

    /// <summary>The candidates of each blank, and the prompt with every blank filled by its best.</summary>
    public static async Task<JobResult> RunAsync(
        JobRun run, JobRequest request, LlmEngine engine, JobStore store, JobsOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        var job = run.Job;
        var filler = engine as MaskFiller ?? throw new InvalidJobException(
            JobErrorCode.UnsupportedParameter,
            $"kind '{JobKind.FillMask}' needs a model that fills blanks, '{engine.Model.Name}' is a {engine.Model.Family} model, which writes text", "kind");
        var text = Read(request.Prompt!, filler);
        var targets = request.Targets?.Select((word, i) => Target(word, i, filler)).ToArray();
        var count = request.Parameters.TopK ?? DefaultCandidates;

        var started = time.GetTimestamp();
        IReadOnlyList<IReadOnlyList<MaskCandidate>>? candidates = null;
        using var span = GenerationSpan.Start(engine.Model, new GenerationRequest(job.Id, text.TokenIds, new SamplingParams { TopK = count }), request.Operation);
        var watch = new RunWatch(run, () => RunCheckpoint.None, store, options, time, cancellationToken);
        await using (watch)
        {
            try
            {
                candidates = await filler.FillAsync(text, count, targets, watch.Stop);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // Cancelled, expired or another's: there is nothing to keep.
            }
            catch (Exception e)
            {
                span.Fail(e);
                throw;
            }
        }

        await watch.RequireOwnedAsync();
        var status = candidates is null ? watch.StopState!.Value : JobState.Succeeded;
        var reason = candidates is null ? JobResult.ReasonOf(status) : "stop";
        span.End([new JobChoice(0, "", reason)]);
        var filled = candidates is null ? "" : filler.Fill(text, text.Blanks.Zip(candidates).ToDictionary(b => b.First, b => b.Second[0].TokenId));
        var timings = new Timings((job.StartedAt - job.CreatedAt)?.TotalSeconds ?? 0, null, time.GetElapsedTime(started).TotalSeconds);
        return new JobResult(
            job.Id, status, filled, reason, new Usage(text.TokenIds.Count, 0), engine.Model.Name, engine.Model.Identity, new SamplingParams { TopK = count },
            timings, request.Metadata, job.CreatedAt, time.GetUtcNow())
        {
            Input = new JobInput(request.Prompt, null),
            Choices = [new JobChoice(0, filled, reason)],
            Candidates = candidates,
        };
    }

    private static MaskedText Read(string prompt, MaskFiller filler)
    {
        try
        {
            return filler.Read(prompt);
        }
        catch (ArgumentException e)
        {
            var message = e.Message.Replace($" (Parameter '{e.ParamName}')", "", StringComparison.Ordinal);
            throw new InvalidJobException(JobErrorCode.InvalidRequest, $"prompt cannot be filled: {message}", "prompt");
        }
    }

    private static int Target(string word, int index, MaskFiller filler) => filler.FindToken(word) ?? throw new InvalidJobException(
        JobErrorCode.InvalidRequest, $"targets[{index}] must be one token of model '{filler.Model.Name}', {JsonField.Quote(word)} is not", "targets");
}
