using System.Text.Json;
using Batch.Inference.Engine;

namespace Batch.Functions.Limits;

/// <summary>How many tokens a submission may cost, guessed before it is read: one for four bytes, and what it may write, for each choice.</summary>
internal static class TokenEstimate
{
    private const int BytesPerToken = 4;

    public static int Of(ReadOnlySpan<byte> body)
    {
        var (written, choices) = ((long)(new SamplingParams().MaxTokens ?? 0), 1L);
        try
        {
            var reader = new Utf8JsonReader(body);
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth != 1)
                {
                    continue;
                }

                var isLength = reader.ValueTextEquals("max_tokens") || reader.ValueTextEquals("max_completion_tokens");
                var isChoices = reader.ValueTextEquals("n");
                reader.Read();
                if ((isLength || isChoices) && reader.TokenType == JsonTokenType.Number && reader.TryGetInt32(out var number) && number > 0)
                {
                    written = isLength ? number : written;
                    choices = isChoices ? number : choices;
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // no JSON, or text that is no Unicode
        {
            // It will be refused, and has cost its length.
        }

        return (int)Math.Min(int.MaxValue, (body.Length / BytesPerToken) + Math.Min(written * choices, int.MaxValue));
    }
}
