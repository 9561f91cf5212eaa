using System.Globalization;
using Batch.Functions.Limits;
using Batch.Jobs.Access;
using Batch.Jobs.Audit;
using Batch.Jobs.Requests;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Batch.Functions;

/// <summary>
/// The door of every <c>/v1</c> route: gives a request its id, turns it into its <see cref="Caller"/>, and what goes wrong into an answer in
/// OpenAI's shape. The Functions host asks for no key of its own there; the API key says more, namely whose.
/// </summary>
public sealed partial class ApiGate(Authenticator authenticator, RateLimits limits, IOptions<AuditOptions> audit, ILogger<ApiGate> logger)
{
    public async Task<IResult> RunAsync(
        HttpRequest request, ApiScopes needed, Func<Caller, Task<IResult>> answer, CancellationToken cancellationToken)
    {
        var id = ApiRequest.GiveId(request);
        try
        {
            var caller = await authenticator.RequireAsync(
                request.Headers.Authorization, request.Headers[Authenticator.PrincipalHeader], needed, ApiRequest.PrincipalName(request, audit.Value), cancellationToken);
            return limits.TakeRequest(caller.Tenant, request.HttpContext.Response) ?? await answer(caller with { RequestId = id });
        }
        catch (InvalidJobException e)
        {
            if (e.Code == JobErrorCode.InvalidApiKey)
            {
                request.HttpContext.Response.Headers.WWWAuthenticate = "Bearer";
            }

            if (e.RetryAfter is { } wait)
            {
                request.HttpContext.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            }

            return Api.Error(e);
        }
        catch (BadHttpRequestException e)
        {
            // The server's own limits: a body that is too long, or that stopped coming.
            return Api.Refused(e);
        }
        catch (OperationCanceledException) when (!request.HttpContext.RequestAborted.IsCancellationRequested)
        {
            return Api.ShuttingDown();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            LogFailed(e, request.Method, request.Path, id);
            return Api.Failed(id);
        }
    }

    [LoggerMessage(LogLevel.Error, "{Method} {Path} failed ({RequestId})")]
    private partial void LogFailed(Exception exception, string method, string path, string requestId);
}
