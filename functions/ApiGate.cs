using System.Globalization;
using Batch.Jobs.Access;
using Batch.Jobs.Audit;
using Batch.Jobs.Requests;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Batch.Functions;

/// <summary>
/// The door of every <c>/v1</c> route: turns a request into its <see cref="Caller"/>, and what the caller did wrong into an answer. The
/// Functions host asks for no key of its own there; the API key says more, namely whose.
/// </summary>
public sealed class ApiGate(Authenticator authenticator, IOptions<AuditOptions> audit)
{
    public async Task<IResult> RunAsync(
        HttpRequest request, ApiScopes needed, Func<Caller, Task<IResult>> answer, CancellationToken cancellationToken)
    {
        try
        {
            var caller = await authenticator.RequireAsync(
                request.Headers.Authorization, needed, ApiRequest.PrincipalName(request, audit.Value), cancellationToken);
            return await answer(caller);
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
    }
}
