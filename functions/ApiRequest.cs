using System.Globalization;
using System.Security.Cryptography;
using Batch.Jobs.Audit;
using Batch.Jobs.Requests;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>What the API reads from a request beside its route.</summary>
internal static class ApiRequest
{
    private const int LongestKey = 255;

    /// <summary>The id that the answer has as <c>x-request-id</c>, and the audit log and the server's log name.</summary>
    public static string GiveId(HttpRequest request)
    {
        var id = $"req_{RandomNumberGenerator.GetHexString(32, lowercase: true)}";
        request.HttpContext.Response.Headers["x-request-id"] = id;
        return id;
    }

    public static async Task<ReadOnlyMemory<byte>> ReadBodyAsync(HttpRequest request, int maxBytes, CancellationToken cancellationToken)
    {
        if (request.ContentLength > maxBytes)
        {
            throw TooLarge(maxBytes);
        }

        using var body = new MemoryStream();
        var buffer = new byte[64 * 1024];
        while (await request.Body.ReadAsync(buffer, cancellationToken) is > 0 and var read)
        {
            body.Write(buffer, 0, read);
            if (body.Length > maxBytes)
            {
                throw TooLarge(maxBytes);
            }
        }

        return body.ToArray();
    }

    private static InvalidJobException TooLarge(int maxBytes) => new(
        JobErrorCode.RequestTooLarge, $"the body must be at most {maxBytes} bytes, was longer; a long prompt can lie in a blob that input_blob names");

    /// <summary><c>?limit</c>, from 1 to <paramref name="most"/>.</summary>
    public static int Limit(HttpRequest request, int standard, int most)
    {
        var given = request.Query["limit"].ToString();
        return given.Length == 0 ? standard
            : int.TryParse(given, CultureInfo.InvariantCulture, out var limit) && limit >= 1 && limit <= most ? limit
            : throw new InvalidJobException(JobErrorCode.InvalidRequest, $"limit must be an integer from 1 to {most}", "limit");
    }

    /// <summary><c>?after</c>, an id.</summary>
    public static string? After(HttpRequest request) => Query(request, "after") switch
    {
        null => null,
        { Length: <= 128 } id when id.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-') => id,
        _ => throw new InvalidJobException(JobErrorCode.InvalidRequest, "after must be the id of an object of the list", "after"),
    };

    public static string? Query(HttpRequest request, string name) => request.Query[name].ToString() is { Length: > 0 } given ? given : null;

    public static string? IdempotencyKey(HttpRequest request)
    {
        var key = request.Headers["Idempotency-Key"].ToString();
        return key.Length <= LongestKey
            ? key.Length == 0 ? null : key
            : throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"Idempotency-Key must be at most {LongestKey} characters, was {key.Length}",
                "Idempotency-Key");
    }

    /// <summary>What the audit log calls a caller who has no key.</summary>
    public static string PrincipalName(HttpRequest request, AuditOptions options)
    {
        var name = options.TrustPrincipalHeader ? request.Headers["X-MS-CLIENT-PRINCIPAL-NAME"].ToString() : "";
        return name.Length == 0 ? "http" : name;
    }
}
