using System.Text.Json;
using System.Text.Json.Serialization;
using Batch.Inference.Engine;
using Batch.Inference.Engine.Interventions;

namespace Batch.Jobs.Storage;

/// <summary>One of the n texts of a job.</summary>
/// <param name="Index">From 0; drawn with the job's seed plus this.</param>
/// <param name="Text">Begins with the prompt where echo asks for it.</param>
/// <param name="FinishReason">stop, length, repetition, cancelled or expired.</param>
public sealed record JobChoice(int Index, string Text, string FinishReason)
{
    /// <summary>The stop string or stop token id that ended it; absent where the model itself did.</summary>
    [JsonConverter(typeof(StopReasonConverter))]
    public StopReason? StopReason { get; init; }

    /// <summary>Of a beam: its log probability over its length to the power of length_penalty.</summary>
    public double? Score { get; init; }

    /// <summary>As OpenAI's chat completions give them; an entry for each completion token.</summary>
    public ChoiceLogprobs? Logprobs { get; init; }

    /// <summary>What its rules did to it, in order; absent without rules.</summary>
    public IReadOnlyList<InterventionRecord>? Interventions { get; init; }
}

/// <summary>The tokens of a choice with what the model made of them.</summary>
/// <param name="Content">An entry for each token.</param>
public sealed record ChoiceLogprobs(IReadOnlyList<TokenScore> Content);

/// <summary>A token and its log probability in the model's own distribution.</summary>
/// <param name="Token">Its bytes as text; U+FFFD where they are no whole character.</param>
/// <param name="TokenId">Its id.</param>
/// <param name="Logprob">-9999 for a token of no probability.</param>
/// <param name="Bytes">Its bytes.</param>
public sealed record TokenScore(string Token, int TokenId, float Logprob, IReadOnlyList<int> Bytes)
{
    /// <summary>1 for the most likely.</summary>
    public int? Rank { get; init; }

    /// <summary>The most likely tokens in its place, best first.</summary>
    public IReadOnlyList<TokenScore>? TopLogprobs { get; init; }
}

/// <summary>A stop string as a string, a stop token as a number, as vLLM gives them.</summary>
internal sealed class StopReasonConverter : JsonConverter<StopReason>
{
    public override StopReason Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Number ? new StopReason(null, reader.GetInt32()) : new StopReason(reader.GetString(), null);

    public override void Write(Utf8JsonWriter writer, StopReason value, JsonSerializerOptions options)
    {
        if (value.TokenId is { } id)
        {
            writer.WriteNumberValue(id);
        }
        else
        {
            writer.WriteStringValue(value.Text);
        }
    }
}
