using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Batch.Benchmarks.Chaos;

/// <summary>
/// Takes webhooks, of jobs at /hook and of an endpoint at /endpoint, and misbehaves at the first attempt of most of them: slow, hanging, redirecting, failing.
/// At /gone it wants none.
/// </summary>
internal sealed class WebhookReceiver : IAsyncDisposable
{
    public const string Hook = "/hook";
    public const string Endpoint = "/endpoint";
    public const string NoMore = "/gone";

    private readonly ConcurrentDictionary<(string Path, string Id), int> _attempts = [];
    private readonly WebApplication _app;

    private WebhookReceiver(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.First());

    /// <summary>How often each event was taken, by path and id.</summary>
    public ConcurrentDictionary<(string Path, string Id), int> Taken { get; } = [];

    /// <summary>Attempts that were told that nothing is wanted any more.</summary>
    public int Gone;

    /// <summary>First attempts that it did not take.</summary>
    public int Refused;

    public static async Task<WebhookReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var receiver = new WebhookReceiver(app);
        app.MapPost(Hook, receiver.TakeAsync);
        app.MapPost(Endpoint, receiver.TakeAsync);
        app.MapPost(NoMore, () =>
        {
            Interlocked.Increment(ref receiver.Gone);
            return Results.StatusCode(StatusCodes.Status410Gone);
        });
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
        var told = (http.Request.Path.Value!, id);
        if (_attempts.AddOrUpdate(told, 1, (_, attempts) => attempts + 1) == 1 && Kind(told.Item1 + id) is { } status)
        {
            Interlocked.Increment(ref Refused);
            if (status == 0)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, http.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
                return;
            }

            http.Response.Headers.RetryAfter = "1";
            http.Response.Headers.Location = "http://169.254.169.254/";
            http.Response.StatusCode = status;
            return;
        }

        await Task.Delay(TimeSpan.FromMilliseconds(id.Length % 5 == 0 ? 1500 : 0));
        Taken.AddOrUpdate(told, 1, (_, taken) => taken + 1);
        http.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    // 0 hangs.
    private static int? Kind(string told) => (told.Sum(c => c) % 8) switch
    {
        0 => 500,
        1 => 302,
        2 => 429,
        3 => 0,
        _ => null,
    };
}
