using Batch.LocalHost.Functions;
using Batch.LocalHost.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace Batch.LocalHost.Http;

/// <summary>Runs one function for a request and writes its result, or a problem that says what the caller may know.</summary>
internal sealed partial class HttpEndpoint(
    Function function, FunctionKey key, FunctionInvoker invoker, Drain drain, ILogger<HttpEndpoint> logger)
{
    public async Task RunAsync(HttpContext http)
    {
        if (!key.Admits(http.Request, ((HttpTriggerAttribute)function.Trigger).AuthLevel))
        {
            await Problem(StatusCodes.Status401Unauthorized, "A valid key is needed in header x-functions-key or query parameter code.").ExecuteAsync(http);
            return;
        }

        using var ended = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, drain.Token);
        var context = new FunctionContext(new(function.Name), http.RequestServices, ended.Token);
        try
        {
            var result = await invoker.InvokeAsync(function, parameter => HttpBinding.Bind(parameter, http.Request), context);
            await ((IResult)result!).ExecuteAsync(http);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // Nobody waits for the answer.
        }
        catch (BadHttpRequestException e) when (!http.Response.HasStarted)
        {
            await Problem(e.StatusCode, e.Message).ExecuteAsync(http);
        }
        catch (OperationCanceledException) when (drain.Token.IsCancellationRequested && !http.Response.HasStarted)
        {
            await Problem(StatusCodes.Status503ServiceUnavailable, "The host is shutting down.").ExecuteAsync(http);
        }
        catch (Exception e)
        {
            LogFailed(e, function.Name, context.InvocationId);
            if (http.Response.HasStarted)
            {
                // An answer that is cut off is seen as an error; one that ends well would not be.
                http.Abort();
                return;
            }

            http.Response.Clear();
            await Problem(StatusCodes.Status500InternalServerError, $"The log has the error, under invocation {context.InvocationId}.").ExecuteAsync(http);
        }
    }

    private static ProblemHttpResult Problem(int status, string detail) => TypedResults.Problem(detail, statusCode: status);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Function} failed ({InvocationId})")]
    private partial void LogFailed(Exception exception, string function, string invocationId);
}
