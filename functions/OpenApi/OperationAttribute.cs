using Batch.Jobs.Access;

namespace Batch.Functions.OpenApi;

/// <summary>What the OpenAPI document says of a function with an HTTP trigger beside its route and methods.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class OperationAttribute(string summary, ApiScopes scope = ApiScopes.None) : Attribute
{
    public string Summary => summary;

    /// <summary>What the API key must hold; none where no key is asked for.</summary>
    public ApiScopes Scope => scope;

    /// <summary>A name of <see cref="RequestSchemas"/>.</summary>
    public string? Takes { get; init; }

    /// <summary>The body may be left out.</summary>
    public bool TakesNothing { get; init; }

    /// <summary>The record that is answered; null where it is not JSON of ours.</summary>
    public Type? Answers { get; init; }

    /// <summary>The record of each event where the answer may be a stream of server-sent events.</summary>
    public Type? Streams { get; init; }

    public int Status { get; init; } = 200;

    /// <summary>Another status that answers the same record; 0 where there is none.</summary>
    public int OrStatus { get; init; }

    /// <summary>The answer's media type where it is not JSON.</summary>
    public string MediaType { get; init; } = "application/json";

    /// <summary>Names of <see cref="QueryParameters"/>.</summary>
    public string[] Query { get; init; } = [];

    /// <summary>Takes the header Idempotency-Key.</summary>
    public bool Makes { get; init; }

    /// <summary>Statuses of errors beside those that <see cref="ErrorResponses"/> knows from the rest.</summary>
    public int[] Refuses { get; init; } = [];
}
