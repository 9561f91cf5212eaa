using System.Text.Json;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Receipts;

/// <summary>What a replay needs of a result, whether it was read from <c>results/{id}.json</c> or from <c>GET /v1/jobs/{id}</c>.</summary>
public sealed record RecordedResult(string Id, string Text, string FinishReason, JobInput Input, Receipt Receipt)
{
    /// <summary>Absent where no job is told of.</summary>
    public string? Status { get; init; }

    /// <summary>Stopped from outside: choices that had not ended end anywhere.</summary>
    internal bool IsCutShort => Status is "cancelled" or "expired" || FinishReason is "cancelled" or "expired";

    /// <exception cref="ArgumentException">The JSON is no result, or one without a receipt; the message says what is missing.</exception>
    public static RecordedResult Parse(string name, string json)
    {
        try
        {
            var result = JsonSerializer.Deserialize<RecordedResult>(json, JobJson.Options);
            var missing = result switch
            {
                null or { Id: null } => "id",
                { Receipt: null } => "receipt",
                { Input: not ({ Prompt: not null } or { Messages: not null }) } => "input",
                { Text: null } => "text",
                { Receipt: { Parameters: null } or { Completions: null or [] } } => "receipt.parameters or receipt.completions",
                _ => null,
            };
            return missing is null ? result! : throw new ArgumentException($"{name} is no result that can be replayed: it has no {missing}");
        }
        catch (JsonException e)
        {
            throw new ArgumentException($"{name} is no result of a job: {e.Message}");
        }
    }
}
