using System.Security.Cryptography;
using System.Text;
using Batch.Jobs.Requests;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs.Batches;

/// <summary>Runs one line of a batch through the engine, beside all others.</summary>
public sealed partial class LineRunner(JobGenerator generator, EngineHost engines, TimeProvider time, ILogger<LineRunner> logger)
{
    /// <summary>Waits until the batch's model is loaded and has seats for the lines; null when the batch ends before, whose lines then end without it.</summary>
    internal async Task<SeatedLines?> EnterAsync(WatchedBatch watched, int lines, CancellationToken cancellationToken)
    {
        var model = engines.Find(watched.Row.Model);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(watched.Stop, cancellationToken);
        try
        {
            var engine = await model.Engine.WaitAsync(stop.Token);
            return await model.Seats.EnterAsync(engine, watched.Row.Priority, lines, stop.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    /// <summary>
    /// How the line ends: with its text, with what was wrong with it, or, once <paramref name="watched"/> says that the batch ends, without
    /// an answer. A fault of the world's throws, unless this is the <paramref name="lastTry"/>; so does <paramref name="cancellationToken"/>, where it cuts the line off.
    /// </summary>
    internal async Task<LineOutcome> RunAsync(
        BatchRow batch, ReadOnlyMemory<byte> text, LinePlace place, WatchedBatch watched, bool lastTry, CancellationToken cancellationToken)
    {
        using var line = BatchLine.Parse(text, batch.Endpoint);
        var id = IdOf(batch.Id, line.CustomId);
        try
        {
            if (watched.Ending is { } ending)
            {
                return Unfinished(batch.Id, line.CustomId, ending);
            }

            using var stop = CancellationTokenSource.CreateLinkedTokenSource(watched.Stop, cancellationToken);
            if (await GenerateAsync(batch, line, id, place, stop.Token) is { } generated)
            {
                return Finished(batch, line, id, generated);
            }

            cancellationToken.ThrowIfCancellationRequested();
            return Unfinished(batch.Id, line.CustomId, watched.Ending!.Value);
        }
        catch (InvalidJobException e)
        {
            return new LineOutcome(LineState.Errored, CompletionResponse.Refused(id, line.CustomId, e), e.Code);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && watched.Ending is { } ending)
        {
            return Unfinished(batch.Id, line.CustomId, ending);
        }
        catch (Exception e) when (lastTry && !cancellationToken.IsCancellationRequested)
        {
            LogGivenUp(e, batch.Id, id);
            return GivenUp(batch.Id, line.CustomId, $"{e.GetType().Name}: {e.Message}");
        }
    }

    /// <summary>The line of a batch that ended before it did.</summary>
    internal static LineOutcome Unfinished(string batchId, string customId, LineState ending)
    {
        var (code, message) = ending == LineState.Expired
            ? ("batch_expired", "This request could not be executed before the completion window expired.")
            : ("batch_cancelled", "This request could not be executed before the batch was cancelled.");
        return new LineOutcome(ending, CompletionResponse.Ended(IdOf(batchId, customId), customId, code, message), code);
    }

    internal static LineOutcome GivenUp(string batchId, string customId, string why) => new(
        LineState.Errored,
        CompletionResponse.Ended(IdOf(batchId, customId), customId, JobErrorCode.RetriesExhausted, $"The request was given up after several tries: {why}"),
        JobErrorCode.RetriesExhausted);

    // Null when it was stopped.
    private async Task<GeneratedTexts?> GenerateAsync(BatchRow batch, BatchLine line, string id, LinePlace place, CancellationToken stop)
    {
        var request = CompletionBody.Parse(batch.Endpoint, line.Body);
        var engine = await engines.GetAsync(request.Model, stop);
        var run = new CompletionRun(id, request, batch.Priority, engine, generator, place.From);
        place.Take = run.Take;
        return await run.RunAsync((_, update) => place.Drawn(update), stop);
    }

    private LineOutcome Finished(BatchRow batch, BatchLine line, string id, GeneratedTexts text)
    {
        object body = batch.Endpoint == CompletionBody.Chat ? CompletionResponse.Chat(id, time.GetUtcNow(), text) : CompletionResponse.Text(id, time.GetUtcNow(), text);
        return new LineOutcome(
            LineState.Succeeded, CompletionResponse.Completed(id, line.CustomId, body), null, text.PromptTokens, text.CachedTokens, text.CompletionTokens);
    }

    private static string IdOf(string batchId, string customId) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{batchId}\n{customId}")))[..32];

    [LoggerMessage(LogLevel.Warning, "Batch {BatchId} gives up line {LineId}")]
    private partial void LogGivenUp(Exception exception, string batchId, string lineId);
}
