using System.Globalization;
using Batch.Functions.Limits;
using Batch.Jobs;
using Batch.Jobs.Access;
using Batch.Jobs.Interactive;
using Batch.Jobs.Requests;
using Batch.Jobs.Runs;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Batch.Functions.Completions;

/// <summary>
/// Answers a completion: JSON, or server-sent events as <c>stream</c> asks. What is wrong is answered before a stream begins; when the client goes away the
/// text ends; when the host shuts down a stream ends with an error event. 404 for a model that is not served, as OpenAI answers, and 503 for one that is not loaded yet.
/// </summary>
public sealed class CompletionEndpoint(
    ApiGate gate, RateLimits limits, InteractiveCompletions completions, ShutdownSignal shutdown, IOptions<JobsOptions> options)
{
    public Task<IResult> RunAsync(HttpRequest request, string endpoint, CancellationToken cancellationToken) =>
        gate.RunAsync(request, ApiScopes.Submit, caller => AnswerAsync(request, endpoint, caller, cancellationToken), cancellationToken);

    private async Task<IResult> AnswerAsync(HttpRequest request, string endpoint, Caller caller, CancellationToken cancellationToken)
    {
        // Also where the host does not pass on that the client went away.
        var (gone, ends) = (request.HttpContext.RequestAborted, shutdown.Link(cancellationToken));
        var stop = CancellationTokenSource.CreateLinkedTokenSource(gone, ends.Token);
        var streams = false;
        try
        {
            var body = await ApiRequest.ReadBodyAsync(request, options.Value.MaxInputBytes, stop.Token);
            if (limits.TakeTokens(caller.Tenant, body, request.HttpContext.Response) is { } tooMany)
            {
                return tooMany;
            }

            var completion = await completions.OpenAsync(endpoint, body, caller, stop.Token);
            if (!completion.IsStreamed)
            {
                return Api.JsonWithNulls(await completion.RunAsync(stop.Token));
            }

            var events = await BeginAsync(completion.StreamAsync(stop.Token));
            streams = true;
            return Results.ServerSentEvents(GoOnAsync(events, stop, ends, request.HttpContext));
        }
        catch (ModelNotReadyException e)
        {
            request.HttpContext.Response.Headers.RetryAfter = ModelNotReadyException.RetryAfter.TotalSeconds.ToString(CultureInfo.InvariantCulture);
            return Api.NotReady(e);
        }
        catch (OperationCanceledException) when (ends.IsCancellationRequested && !gone.IsCancellationRequested)
        {
            request.HttpContext.Response.Headers.RetryAfter = ModelNotReadyException.RetryAfter.TotalSeconds.ToString(CultureInfo.InvariantCulture);
            return Api.ShuttingDown();
        }
        catch (InvalidJobException e) when (e.Code == JobErrorCode.ModelNotFound)
        {
            return Api.Error(e, StatusCodes.Status404NotFound);
        }
        finally
        {
            if (!streams)
            {
                stop.Dispose();
                ends.Dispose();
            }
        }
    }

    // With the first event it is known whether the request is right, and so the status.
    private static async Task<IAsyncEnumerator<string>> BeginAsync(IAsyncEnumerable<string> stream)
    {
        var events = stream.GetAsyncEnumerator(CancellationToken.None);
        try
        {
            await events.MoveNextAsync();
            return events;
        }
        catch
        {
            await events.DisposeAsync();
            throw;
        }
    }

    private static async IAsyncEnumerable<string> GoOnAsync(
        IAsyncEnumerator<string> events, CancellationTokenSource stop, CancellationTokenSource ends, HttpContext context)
    {
        using var _ = ends;
        using var __ = stop;
        await using var owned = events;
        for (var goesOn = true; goesOn;)
        {
            yield return events.Current;
            try
            {
                goesOn = await events.MoveNextAsync();
                continue;
            }
            catch (OperationCanceledException) when (ends.IsCancellationRequested && !context.RequestAborted.IsCancellationRequested)
            {
                goesOn = false;
            }

            yield return Api.ShuttingDownEvent;
        }
    }
}
