using System.Globalization;
using Batch.Jobs.Audit;
using Batch.Jobs.Requests;
using Microsoft.AspNetCore.Http;

namespace Batch.Functions;

/// <summary>What the API reads from a request beside its route.</summary>
internal static class ApiRequest
{
    private const int LongestKey = 255;

    public static async Task<ReadOnlyMemory<byte>> ReadBodyAsync(HttpRequest request, int maxBytes, CancellationToken cancellationToken)
    {
        using var body = new MemoryStream();
        var buffer = new byte[64 * 1024];
        while (await request.Body.ReadAsync(buffer, cancellationToken) is > 0 and var read)
        {
            body.Write(buffer, 0, read);
            if (body.Length > maxBytes)
            {
                throw new InvalidJobException(
                    JobErrorCode.RequestTooLarge,
                    $"the body must be at most {maxBytes} bytes, was longer; put the prompt into a blob and name it in input_blob");
            }
        }

        return body.ToArray();
    }

    /// <summary><c>?limit</c>, from 1 to <paramref name="most"/>.</summary>
    public static int Limit(HttpRequest request, int standard, int most)
    {
        var given = request.Query["limit"].ToString();
        return given.Length == 0 ? standard
            : int.TryParse(given, CultureInfo.InvariantCulture, out var limit) && limit >= 1 && limit <= most ? limit
            : throw new InvalidJobException(JobErrorCode.InvalidRequest, $"limit must be an integer from 1 to {most}", "limit");
    }

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
