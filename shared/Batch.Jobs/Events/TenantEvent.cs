namespace Batch.Jobs.Events;

/// <summary>
/// What is told of a tenant's object, to the queue, the topic and every webhook alike. Everything in it follows from the row that carried it as
/// pending, so that it can be told again byte for byte.
/// </summary>
/// <param name="Id">The same over every repetition: what consumers tell duplicates by.</param>
/// <param name="Type">One of <see cref="EventType"/>.</param>
/// <param name="Subject">The id of the object.</param>
/// <param name="Time">When it happened, not when it was told.</param>
/// <param name="Data">The CloudEvent's data.</param>
public sealed record TenantEvent(string Id, string Type, string Tenant, string Subject, DateTimeOffset Time, object Data)
{
    /// <summary>The trace it belongs to, W3C.</summary>
    public string? Traceparent { get; init; }
}
