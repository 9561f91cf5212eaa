using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Batch.Benchmarks.Chaos;

/// <summary>Takes webhooks, and misbehaves at the first attempt of most of them: slow, hanging, redirecting, failing.</summary>
internal sealed class WebhookReceiver : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, int> _attempts = [];
    private readonly WebApplication _app;

    private WebhookReceiver(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.First());

    /// <summary>How often each event was taken.</summary>
    public ConcurrentDictionary<string, int> Taken { get; } = [];

    /// <summary>First attempts that it did not take.</summary>
    public int Refused;

    public static async Task<WebhookReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var receiver = new WebhookReceiver(app);
        app.MapPost("/hook", receiver.TakeAsync);
        await app.StartAsync();
        return receiver;
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.FromSeconds(1)); // those that hang are left
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private async Task TakeAsync(HttpContext http)
    {
        var id = http.Request.Headers["webhook-id"].ToString();
        if (_attempts.AddOrUpdate(id, 1, (_, attempts) => attempts + 1) == 1 && Kind(id) is { } status)
        {
            Interlocked.Increment(ref Refused);
            if (status == 0)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, http.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
                return;
            }

            http.Response.Headers.Location = "http://169.254.169.254/";
            http.Response.StatusCode = status;
            return;
        }

        await Task.Delay(TimeSpan.FromMilliseconds(id.Length % 5 == 0 ? 1500 : 0));
        Taken.AddOrUpdate(id, 1, (_, taken) => taken + 1);
        http.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    // 0 hangs.
    private static int? Kind(string id) => (id.Sum(c => c) % 8) switch
    {
        0 => 500,
        1 => 302,
        2 => 429,
        3 => 0,
        _ => null,
    };
}
