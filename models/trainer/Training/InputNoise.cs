using Batch.ModelTrainer.Tokenizer;

namespace Batch.ModelTrainer.Training;

/// <summary>
/// Puts a near token in the place of one in twelve, in what the model reads and not in what it should predict. A model that only ever reads
/// faultless sentences is lost after the first odd token that it samples itself, or that a prompt holds; this one has learnt to find back.
/// </summary>
internal static class InputNoise
{
    private const double Share = 0.08;
    private const int Near = 32;

    /// <summary>A disturbed copy of <paramref name="tokens"/>. Ends of text stay, since they say where a document begins.</summary>
    public static long[] Disturb(long[] tokens, int seed)
    {
        var random = new Random(seed);
        var disturbed = tokens.ToArray();
        for (var i = 0; i < tokens.Length; i++)
        {
            if (random.NextDouble() >= Share || tokens[i] == Vocabulary.EndOfText)
            {
                continue;
            }
            var other = tokens[Math.Clamp(i + random.Next(-Near, Near + 1), 0, tokens.Length - 1)];
            disturbed[i] = other == Vocabulary.EndOfText ? tokens[i] : other;
        }
        return disturbed;
    }
}
