using Batch.Inference.Tests.Engine;

namespace Batch.Inference.Tests.Tokenizers;

[Collection(nameof(Alone))]
public sealed class TokenizerMemoryTests
{
    [Fact]
    public void Encode_StaysRightAndSmall_AfterAHundredThousandDistinctWords()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson(["t h", "th e", "Ġ the", "a n"]));
        var before = tokenizer.Encode("the cat and the hat");
        EncodeWords(0, 50_000);
        var half = GC.GetTotalMemory(forceFullCollection: true);
        EncodeWords(50_000, 100_000);
        var full = GC.GetTotalMemory(forceFullCollection: true);

        Assert.Equal(before, tokenizer.Encode("the cat and the hat"));
        Assert.InRange(full - half, long.MinValue, 4 << 20);

        void EncodeWords(int from, int to)
        {
            for (var i = from; i < to; i++)
            {
                var word = $" word{i}and{i * 31}";
                Assert.Equal(word, tokenizer.Decode(tokenizer.Encode(word)));
            }
        }
    }
}
