using System.Globalization;
using System.Runtime.Serialization;
using Azure;
using Azure.Data.Tables;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Webhooks;

/// <summary>
/// One endpoint's row in table <c>webhookendpoints</c>, in its tenant's partition: what its owner wants, and how it fares. Attempts change it only
/// where they say something new, so that neither steady success nor steady failure writes it.
/// </summary>
public sealed record WebhookEndpoint : ITableEntity
{
    private static readonly TimeSpan Throttle = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LongestThrottle = TimeSpan.FromHours(1);

    // An endpoint that fails now and then changes its row at most so often.
    private static readonly TimeSpan Damping = TimeSpan.FromMinutes(1);

    public string PartitionKey { get; set; } = "";
    public string RowKey { get; set; } = "";
    public DateTimeOffset? Timestamp { get; set; }
    public ETag ETag { get; set; }

    // What its owner wants.
    public string Url { get; set; } = "";
    public string? Description { get; set; }

    /// <summary>Patterns of types, separated by spaces; see <see cref="EventFilter"/>.</summary>
    public string Events { get; set; } = EventFilter.Everything;
    public WebhookFormat Format { get; set; }
    public DateTimeOffset CreatedAt { get; set; }

    // As EndpointSecrets protects them.
    public string Secret { get; set; } = "";
    public string? PreviousSecret { get; set; }
    public DateTimeOffset? PreviousUntil { get; set; }

    /// <summary>The id of the latest rotation.</summary>
    public string? Rotation { get; set; }

    // How it fares.
    public DateTimeOffset? FailingSince { get; set; }
    public DateTimeOffset? RecoveredAt { get; set; }
    public DateTimeOffset? ThrottledUntil { get; set; }
    public DateTimeOffset? DisabledAt { get; set; }
    public string? DisabledReason { get; set; }

    /// <summary>The outbox: written together with a disabling that its owner did not ask for.</summary>
    public EventState? EventState { get; set; }

    [IgnoreDataMember]
    public string Tenant => PartitionKey;

    [IgnoreDataMember]
    public string Id => RowKey;

    [IgnoreDataMember]
    public bool IsEnabled => DisabledAt is null;

    /// <summary>Of the disabling: the same over every repetition.</summary>
    [IgnoreDataMember]
    public string EventId => string.Create(CultureInfo.InvariantCulture, $"{Id}:disabled:{DisabledAt?.ToUnixTimeSeconds()}");

    /// <summary>What is known of how it fares is forgotten.</summary>
    public WebhookEndpoint Enable() => IsEnabled ? this : this with
    {
        DisabledAt = null,
        DisabledReason = null,
        FailingSince = null,
        ThrottledUntil = null,
        EventState = null,
    };

    /// <summary>The secret of a rotation, once: one that came before is done unless nothing later was, since ids of later ones are smaller.</summary>
    public WebhookEndpoint Rotate(string rotation, bool isNew, string secret, TimeSpan overlap, DateTimeOffset now)
    {
        var isDone = rotation == Rotation || (!isNew && Rotation is not null && string.CompareOrdinal(Rotation, rotation) < 0);
        return isDone ? this : this with
        {
            Secret = secret,
            PreviousSecret = overlap > TimeSpan.Zero ? Secret : null,
            PreviousUntil = overlap > TimeSpan.Zero ? now + overlap : null,
            Rotation = rotation,
        };
    }

    public WebhookEndpoint Disable(string reason, DateTimeOffset now) => IsEnabled ? this with { DisabledAt = now, DisabledReason = reason } : this;

    /// <summary>What an attempt says of the endpoint.</summary>
    internal WebhookEndpoint After(WebhookOutcome outcome, TimeSpan patience, DateTimeOffset now) => outcome switch
    {
        _ when !IsEnabled => this,
        { Error: null } => FailingSince is null ? this : this with { FailingSince = null, RecoveredAt = now },
        { StatusCode: 410 } => GiveUp(outcome.Error, now),
        _ when now - FailingSince >= patience => GiveUp(
            string.Create(CultureInfo.InvariantCulture, $"every attempt since {FailingSince:u} failed, the last one so: {outcome.Error}"), now),
        _ => Throttled(outcome, FailingSince is null && !(now - RecoveredAt < Damping) ? this with { FailingSince = now } : this, now),
    };

    private WebhookEndpoint GiveUp(string reason, DateTimeOffset now) => Disable(reason, now) with { EventState = Storage.EventState.Pending };

    private static WebhookEndpoint Throttled(WebhookOutcome outcome, WebhookEndpoint endpoint, DateTimeOffset now)
    {
        if (!outcome.Throttles)
        {
            return endpoint;
        }

        var asked = outcome.RetryAfter ?? Throttle;
        var until = now + (asked < LongestThrottle ? asked : LongestThrottle);
        return until - (endpoint.ThrottledUntil ?? now) < Throttle / 2 ? endpoint : endpoint with { ThrottledUntil = until };
    }
}
