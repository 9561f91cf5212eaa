using System.Collections.Concurrent;
using System.Net;

namespace Batch.Functions.Tests.Faults;

/// <summary>Takes webhooks, after it has misbehaved once for each.</summary>
internal sealed class Receiver : HttpMessageHandler
{
    private readonly ConcurrentDictionary<string, int> _attempts = [];

    /// <summary>What it does at the first attempt of an event.</summary>
    public Func<HttpResponseMessage> First { get; set; } = () => new HttpResponseMessage(HttpStatusCode.NoContent);

    /// <summary>The ids of the events that it took.</summary>
    public ConcurrentQueue<string> Taken { get; } = [];

    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var id = request.Headers.GetValues("webhook-id").Single();
        var answer = _attempts.AddOrUpdate(id, 1, (_, attempts) => attempts + 1) == 1 ? First() : new HttpResponseMessage(HttpStatusCode.NoContent);
        if (answer.IsSuccessStatusCode)
        {
            Taken.Enqueue(id);
        }

        return Task.FromResult(answer);
    }
}
