using System.Text;
using Batch.Inference.Engine;
using Batch.Inference.Tokenizers;
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

    // What the text is when its characters come one by one: the reference for every way to cut it into tokens.
    private static (string Text, string? Stop) OneByOne(string text, string[] stops, bool include, int exempt)
    {
        for (var end = exempt + 1; end <= text.Length; end++)
        {
            if (stops.Where(s => end - s.Length >= 0 && text[(end - s.Length)..end] == s).MaxBy(s => s.Length) is { } stop)
            {
                return (text[..(include ? end : end - stop.Length)], stop);
            }
        }
        return (text, null);
    }

    [Fact]
    public void Append_EndsAtTheSameCharacter_WhateverTheBordersOfTheTokens()
    {
        var words = Gen.Char["abé诗\u0301"].Array[1, 4].Select(c => new string(c));
        Gen.Select(Gen.Char["abé诗\u0301x"].Array[0, 30].Select(c => new string(c)), words.Array[1, 3], Gen.Bool, Gen.Int[1, 5].Array[1, 8], Gen.Int[0, 3])
            .Sample((text, stops, include, cuts, minTokens) =>
            {
                var tokens = new List<string>();
                for (var (at, i) = (0, 0); at < text.Length; i++)
                {
                    tokens.Add(text.Substring(at, Math.Min(cuts[i % cuts.Length], text.Length - at)));
                    at += tokens[^1].Length;
                }
                var stream = new TextStream(new WordTokenizer(tokens), stops, includeStop: include);
                var (seen, stopped) = ("", (string?)null);
                for (var i = 0; i < tokens.Count && stopped is null; i++)
                {
                    seen += stream.Append(i, mayStop: i + 1 > minTokens, out stopped);
                }
                seen += stopped is null ? stream.Flush() : "";

                Assert.Equal(OneByOne(text, stops, include, tokens.Take(minTokens).Sum(t => t.Length)), (seen, stopped));
            }, iter: 5000);
    }

    [Theory]
    [InlineData("Fin 👩‍👩‍👧 de", "👩‍👩‍👧", "Fin ")]
    [InlineData("cafe\u0301 au lait", "e\u0301", "caf")]
    [InlineData("数到三🌊完", "🌊", "数到三")]
    public void Append_FindsAStop_OfCharactersSplitOverTokens(string text, string stop, string expected)
    {
        var (pieces, stopped) = Stream(text, stop);
        Assert.True(stopped);
        Assert.Equal(expected, string.Concat(pieces));
    }

    [Fact]
    public void Append_KeepsTheStop_WhenAskedTo()
    {
        var stream = new TextStream(new ByteTokenizer(), ["END"], includeStop: true);
        var text = string.Concat("One END two"u8.ToArray().TakeWhile(b => b != 't').Select(b => stream.Append(b, true, out _)));
        Assert.Equal("One END", text.TrimEnd());
    }

    [Fact]
    public void Append_HoldsBackAStopThatBeganBeforeItMay()
    {
        var stream = new TextStream(new ByteTokenizer(), ["###"]);
        Assert.Equal("a", stream.Append('a', false, out _));
        Assert.Equal("", stream.Append('#', false, out _));
        Assert.Equal("", stream.Append('#', false, out _));
        Assert.Equal("", stream.Append('#', true, out var stopped));
        Assert.Equal("###", stopped);
    }

    private sealed class WordTokenizer(IReadOnlyList<string> words) : HfTokenizer
    {
        public override int VocabularySize => words.Count;

        public override ReadOnlySpan<byte> GetBytes(int id) => Encoding.UTF8.GetBytes(words[id]);

        public override bool IsSpecial(int id) => false;
    }
}
