using System.Net;
using System.Net.Sockets;
using System.Text;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Tests.Security;

[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public class Alone;

/// <summary>Receivers of webhooks that answer as no server should. Alone in the process while they run: one measures it.</summary>
[Collection(nameof(Alone))]
public sealed class ReceiverTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Redirect_IsAnAnswerAndNotFollowed()
    {
        await using var receiver = new RawServer("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", "");

        using var answer = await receiver.PostAsync();

        Assert.Equal((HttpStatusCode.TemporaryRedirect, 1), (answer.StatusCode, receiver.Connections));
    }

    [Fact]
    public async Task Headers_WithoutEnd_AreRefused()
    {
        await using var receiver = new RawServer("HTTP/1.1 200 OK\r\n", "X-More: " + new string('a', 1000) + "\r\n");

        await Assert.ThrowsAsync<HttpRequestException>(receiver.PostAsync);
    }

    [Fact]
    public async Task Body_WithoutEnd_IsNotRead()
    {
        await using var receiver = new RawServer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "3e8\r\n" + new string('a', 1000) + "\r\n");
        var before = GC.GetTotalAllocatedBytes();

        using (var answer = await receiver.PostAsync())
        {
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 64 << 20);
    }

    [Fact]
    public async Task Answer_ThatNeverComes_IsWaitedForNoLongerThanTheClientsTime()
    {
        await using var receiver = new RawServer("", "");

        await Assert.ThrowsAsync<TaskCanceledException>(() => receiver.PostAsync(TimeSpan.FromMilliseconds(200)));
    }

    /// <summary>Writes a beginning and then, again and again, more.</summary>
    private sealed class RawServer : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _serving;
        private int _connections;

        public RawServer(string beginning, string more)
        {
            _listener.Start();
            _serving = ServeAsync(Encoding.ASCII.GetBytes(beginning), Encoding.ASCII.GetBytes(more));
        }

        public int Connections => _connections;

        public Task<HttpResponseMessage> PostAsync() => PostAsync(WebhookCalls.Timeout);

        public async Task<HttpResponseMessage> PostAsync(TimeSpan timeout)
        {
            using var http = new HttpClient(new WebhookAddressGuard(Options.Create(new WebhookOptions { AllowPrivateAddresses = true })).CreateHandler()) { Timeout = timeout };
            using var request = new HttpRequestMessage(HttpMethod.Post, $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/hook") { Content = new StringContent("{}") };
            return await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            _listener.Dispose();
            await _serving;
            _stop.Dispose();
        }

        private async Task ServeAsync(byte[] beginning, byte[] more)
        {
            while (!_stop.IsCancellationRequested)
            {
                try
                {
                    using var socket = await _listener.AcceptSocketAsync(_stop.Token);
                    _connections++;
                    for (var part = beginning; ; part = more)
                    {
                        await socket.SendAsync(part, _stop.Token);
                        if (more.Length == 0)
                        {
                            await Task.Delay(Timeout.InfiniteTimeSpan, _stop.Token);
                        }
                    }
                }
                catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
                {
                    // The client went, or the test is over.
                }
            }
        }
    }
}
