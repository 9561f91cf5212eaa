using Batch.Inference.Tokenizers;

namespace Batch.Inference.Tests.Tokenizers;

public sealed class SplitStepTests
{
    /// <summary>The examples of Hugging Face's SplitDelimiterBehavior, and what it does with the pattern inverted.</summary>
    [Theory]
    [InlineData("Isolated", false, "the|-|final|-|-|countdown")]
    [InlineData("Removed", false, "the|final|countdown")]
    [InlineData("MergedWithPrevious", false, "the-|final-|-|countdown")]
    [InlineData("MergedWithNext", false, "the|-final|-|-countdown")]
    [InlineData("Contiguous", false, "the|-|final|--|countdown")]
    [InlineData("Removed", true, "-|-|-")]
    public void Split_FollowsTheBehavior(string behavior, bool invert, string pieces)
    {
        const string Text = "the-final--countdown";
        var ranges = new List<(int Start, int Length)>();

        new SplitStep("-", Enum.Parse<SplitBehavior>(behavior), invert).Split(Text, 0, Text.Length, ranges);

        Assert.Equal(pieces, string.Join('|', ranges.Select(range => Text.Substring(range.Start, range.Length))));
    }
}
