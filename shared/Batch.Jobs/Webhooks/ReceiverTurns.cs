using Microsoft.Extensions.Options;

namespace Batch.Jobs.Webhooks;

/// <summary>
/// Lets this replica make only so many attempts at one receiver, a host with its port, at once: a slow one does not hold the workers that other receivers
/// wait for. Whoever comes beyond that is told when its turn should be, one after the other at the pace of the latest attempts there.
/// </summary>
public sealed class ReceiverTurns(IOptions<WebhookOptions> options, TimeProvider time)
{
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(1); // a message waits for whole seconds
    private static readonly TimeSpan Most = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Receiver> _receivers = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>A turn, given back when it is disposed; null where the receiver has its share, and when to come again.</summary>
    internal IDisposable? TryTake(string url, out DateTimeOffset? later)
    {
        var (name, now) = (new Uri(url).Authority, time.GetUtcNow());
        lock (_lock)
        {
            var receiver = _receivers.TryGetValue(name, out var known) ? known : _receivers[name] = new Receiver();
            if (receiver.Attempts < options.Value.AttemptsAtOnce)
            {
                receiver.Attempts++;
                later = null;
                return new Turn(() => GiveBack(name, receiver, now));
            }

            var next = receiver.Next > now + Least ? receiver.Next : now + Least;
            receiver.Next = next + (receiver.Took / options.Value.AttemptsAtOnce);
            later = next < now + Most ? next : now + Most;
            return null;
        }
    }

    private void GiveBack(string name, Receiver receiver, DateTimeOffset began)
    {
        lock (_lock)
        {
            receiver.Took = (receiver.Took + (time.GetUtcNow() - began)) / 2;
            receiver.Attempts--;
            if (receiver.Attempts == 0)
            {
                _receivers.Remove(name);
            }
        }
    }

    private sealed class Receiver
    {
        public int Attempts { get; set; }

        /// <summary>How long the latest attempts took.</summary>
        public TimeSpan Took { get; set; } = Least;

        /// <summary>The turn of the next that comes beyond the share.</summary>
        public DateTimeOffset Next { get; set; }
    }

    private sealed class Turn(Action giveBack) : IDisposable
    {
        public void Dispose() => giveBack();
    }
}
