using System.Text;
using Batch.Inference.Engine;
using CsCheck;

namespace Batch.Inference.Tests.Engine;

public class TextStreamTests
{
    private static (List<string> Pieces, bool Stopped) Stream(string text, params string[] stop)
    {
        var stream = new TextStream(new ByteTokenizer(), stop);
        var pieces = new List<string>();
        foreach (var b in Encoding.UTF8.GetBytes(text))
        {
            pieces.Add(stream.Append(b, true, out var stopped));
            if (stopped is not null)
            {
                return (pieces, true);
            }
        }
        pieces.Add(stream.Flush());
        return (pieces, false);
    }

    [Fact]
    public void Append_NeverBreaksACharacter()
    {
        var (pieces, _) = Stream("春江潮水连海平, 🌊 and more");
        Assert.Equal("春江潮水连海平, 🌊 and more", string.Concat(pieces));
        Assert.All(pieces, p => Assert.DoesNotContain('\uFFFD', p));
        Assert.Contains("春", pieces);
    }

    [Fact]
    public void Flush_DropsACharacterThatTheLimitCut()
    {
        var stream = new TextStream(new ByteTokenizer(), []);
        var text = string.Concat(Encoding.UTF8.GetBytes("江水")[..5].Select(b => stream.Append(b, true, out _)));
        Assert.Equal("江", text + stream.Flush());
    }

    [Theory]
    [InlineData("One. END two", "One. ", "END")]
    [InlineData("aab", "", "aab", "ab")]
    [InlineData("写完了。结束语", "写完了。", "结束")]
    [InlineData("ababac", "ab", "abac")]
    public void Append_EndsBeforeTheFirstStop(string text, string expected, params string[] stop)
    {
        var (pieces, stopped) = Stream(text, stop);
        Assert.True(stopped);
        Assert.Equal(expected, string.Concat(pieces));
    }

    [Fact]
    public void Append_NeverLeaksAStop_AndLosesNothingElse()
    {
        var words = Gen.Char["ab诗"].Array[1, 4].Select(c => new string(c));
        Gen.Select(Gen.Char["ab诗x"].Array[0, 40].Select(c => new string(c)), words.Array[1, 3]).Sample((text, stop) =>
        {
            var (pieces, stopped) = Stream(text, stop);
            var whole = string.Concat(pieces);
            Assert.StartsWith(whole, text, StringComparison.Ordinal);
            Assert.All(stop, s => Assert.DoesNotContain(s, whole, StringComparison.Ordinal));
            Assert.Equal(stop.Any(s => text.Contains(s, StringComparison.Ordinal)), stopped);
            Assert.True(stopped || whole == text);
        }, iter: 2000);
    }

    [Fact]
    public void Append_HoldsBackOnlyWhatMayBecomeAStop()
    {
        var stream = new TextStream(new ByteTokenizer(), ["###"]);
        Assert.Equal("a", stream.Append('a', true, out _));
        Assert.Equal("", stream.Append('#', true, out _));
        Assert.Equal("", stream.Append('#', true, out _));
        Assert.Equal("##b", stream.Append('b', true, out _));
    }
}
