using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace Batch.LocalHost.Http;

/// <summary>The one key of the local host, given as header <c>x-functions-key</c> or query parameter <c>code</c>. Without a key set, none is asked for.</summary>
internal sealed class FunctionKey(string? key)
{
    // Comparing digests takes the same time whatever the length or the content of what was given.
    private readonly byte[]? _digest = string.IsNullOrEmpty(key) ? null : Digest(key);

    public bool Admits(HttpRequest request, AuthorizationLevel level)
    {
        if (_digest is null || level == AuthorizationLevel.Anonymous)
        {
            return true;
        }

        var given = request.Headers["x-functions-key"].FirstOrDefault() ?? request.Query["code"].FirstOrDefault();
        return given is not null && CryptographicOperations.FixedTimeEquals(Digest(given), _digest);
    }

    private static byte[] Digest(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
