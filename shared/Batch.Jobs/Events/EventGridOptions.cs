using System.ComponentModel.DataAnnotations;

namespace Batch.Jobs.Events;

/// <summary>Section <c>EventGrid</c>.</summary>
public sealed class EventGridOptions : IValidatableObject
{
    /// <summary>
    /// Endpoint of an Event Grid topic for CloudEvents 1.0, which gets every event beside the queue. Empty is none.
    /// </summary>
    public string? TopicEndpoint { get; set; }

    internal Uri? Topic => string.IsNullOrEmpty(TopicEndpoint) ? null : new Uri(TopicEndpoint);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!string.IsNullOrEmpty(TopicEndpoint) && !(Uri.TryCreate(TopicEndpoint, UriKind.Absolute, out var topic) && topic.Scheme == Uri.UriSchemeHttps))
        {
            yield return new ValidationResult(
                $"EventGrid:TopicEndpoint must be an https address, such as https://NAME.REGION-1.eventgrid.azure.net/api/events, was '{TopicEndpoint}'",
                [nameof(TopicEndpoint)]);
        }
    }
}
