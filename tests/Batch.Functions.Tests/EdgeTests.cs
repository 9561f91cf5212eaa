using System.Net;
using System.Net.Sockets;
using System.Text;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>What comes over the wire that no client of ours would send.</summary>
public sealed class EdgeTests(StorageEmulator storage)
{
    public static TheoryData<string> Requests => new(
        "GET / HTTP/9.9\r\n\r\n",
        "NONSENSE\r\n\r\n",
        "\0\u0001\u0002\r\n\r\n",
        "GET /v1/jobs/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v1/jobs/..%2f..%2fetc HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /v1/jobs HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/keys HTTP/1.1\r\n\r\n",
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n\r\n",
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX: " + new string('a', 40_000) + "\r\n\r\n");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Requests))]
    public async Task Host_RefusesAndGoesOn_WhenARequestIsMalformed(string request)
    {
        await using var host = await RunningHost.StartAsync(storage, _ => new ScriptedEngine(), waitUntilReady: false);
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, host.Http.BaseAddress!.Port, Cancellation);
        await using var stream = socket.GetStream();

        await stream.WriteAsync(Encoding.Latin1.GetBytes(request), Cancellation);
        var status = await StatusAsync(stream);

        Assert.Matches("^(HTTP/1.1 (4[0-9][0-9]|505) .*|)$", status); // or the connection ended
        using var alive = await host.Http.GetAsync(new Uri("v1/jobs", UriKind.Relative), Cancellation);
        Assert.Equal(HttpStatusCode.OK, alive.StatusCode);
    }

    private static async Task<string> StatusAsync(NetworkStream stream)
    {
        try
        {
            using var reader = new StreamReader(stream, Encoding.Latin1);
            return await reader.ReadLineAsync(Cancellation) ?? "";
        }
        catch (IOException)
        {
            return "";
        }
    }
}
