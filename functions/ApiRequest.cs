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
                    JobErrorCode.InvalidRequest,
                    $"the submission must be at most {maxBytes} bytes, was longer; put the prompt into a blob and name it in input_blob");
            }
        }

        return body.ToArray();
    }

    public static string? IdempotencyKey(HttpRequest request)
    {
        var key = request.Headers["Idempotency-Key"].ToString();
        return key.Length <= LongestKey
            ? key.Length == 0 ? null : key
            : throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"Idempotency-Key must be at most {LongestKey} characters, was {key.Length}",
                "Idempotency-Key");
    }

    /// <summary>Who asks, for the audit log.</summary>
    public static string Caller(HttpRequest request, AuditOptions options)
    {
        var name = options.TrustPrincipalHeader ? request.Headers["X-MS-CLIENT-PRINCIPAL-NAME"].ToString() : "";
        return name.Length == 0 ? "http" : name;
    }
}
