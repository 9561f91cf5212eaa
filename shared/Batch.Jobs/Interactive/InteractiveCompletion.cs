using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Batch.Inference.Engine;
using Batch.Jobs.Audit;
using Batch.Jobs.Batches;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Interactive;

/// <summary>One request that somebody waits for, to be run once, whole or as a stream. It has an audit row before it starts.</summary>
public sealed class InteractiveCompletion
{
    private readonly string _endpoint;
    private readonly StreamOptions _stream;
    private readonly JobRequest _request;
    private readonly CompletionRun _run;
    private readonly Job _row;
    private readonly AuditLog _audit;
    private readonly TimeProvider _time;
    private Task _noted = Task.CompletedTask; // that the audit log has its row

    internal InteractiveCompletion(
        string endpoint, StreamOptions stream, JobRequest request, CompletionRun run, Job row, AuditLog audit, TimeProvider time) =>
        (_endpoint, _stream, _request, _run, _row, _audit, _time) = (endpoint, stream, request, run, row, audit, time);

    /// <summary>The caller asked for a stream.</summary>
    public bool IsStreamed => _stream.IsOn;

    /// <summary>The response's body. Throws <see cref="InvalidJobException"/> where the engine refuses the request.</summary>
    public async Task<object> RunAsync(CancellationToken cancellationToken)
    {
        var text = await GenerateAsync(null, cancellationToken);
        return _endpoint == CompletionBody.Chat
            ? CompletionResponse.Chat(_run.Generation.Id, _row.CreatedAt, text)
            : CompletionResponse.Text(_run.Generation.Id, _row.CreatedAt, text);
    }

    /// <summary>
    /// The data of the events, the last <c>[DONE]</c>. Throws as <see cref="RunAsync"/>, before the first event; who leaves early ends the text.
    /// </summary>
    public async IAsyncEnumerable<string> StreamAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var pieces = Channel.CreateUnbounded<(int Index, GenerationUpdate Update)>(new() { SingleReader = true });
        var chunks = new CompletionChunks(_endpoint, _row.Id, _row.CreatedAt, _run, _stream.IncludesUsage);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var generating = GenerateInto(pieces.Writer, stop.Token);
        try
        {
            // Ends with the text, and a text ends at the step after its cancellation.
            await foreach (var (index, update) in pieces.Reader.ReadAllAsync(CancellationToken.None))
            {
                await _noted;
                foreach (var chunk in chunks.Of(index, update))
                {
                    yield return chunk;
                }
            }

            var text = await generating;
            if (_stream.IncludesUsage)
            {
                yield return chunks.Usage(text);
            }

            yield return CompletionChunks.Done;
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAny(generating);
        }
    }

    private async Task<GeneratedTexts> GenerateInto(ChannelWriter<(int Index, GenerationUpdate Update)> pieces, CancellationToken cancellationToken)
    {
        try
        {
            // What was cut off has no finish reason to tell.
            return await GenerateAsync((index, update) => _ = update.FinishReason == FinishReason.Cancelled || pieces.TryWrite((index, update)), cancellationToken);
        }
        finally
        {
            pieces.Complete();
        }
    }

    private async Task<GeneratedTexts> GenerateAsync(Action<int, GenerationUpdate>? update, CancellationToken cancellationToken)
    {
        // Beside the text's beginning; nothing is told before it.
        _noted = _audit.RequestedAsync(_row, _request, cancellationToken);
        var ended = _row with { State = JobState.Failed };
        try
        {
            var text = await _run.RunAsync(update, cancellationToken) ?? throw new OperationCanceledException(cancellationToken);
            await _noted;
            ended = _row with { State = JobState.Succeeded, FinishReason = text.Choices[0].FinishReason };
            return text;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            ended = _row with { State = JobState.Cancelled, FinishReason = JobResult.ReasonOf(JobState.Cancelled) };
            throw;
        }
        catch (InvalidJobException e)
        {
            ended = ended with { ErrorCode = e.Code };
            throw;
        }
        finally
        {
            await Task.WhenAny(_noted);
            await _audit.FinishedAsync(ended with { FinishedAt = _time.GetUtcNow(), CompletionTokens = _run.CompletionTokens }, CancellationToken.None);
        }
    }
}
