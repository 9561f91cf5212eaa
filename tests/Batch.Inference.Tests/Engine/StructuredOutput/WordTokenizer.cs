using System.Text;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Tests.Engine.StructuredOutput;

/// <summary>A token for each word given; the last id is the end of text.</summary>
internal sealed class WordTokenizer(IEnumerable<byte[]> words, bool stripsLeadingSpace = false) : HfTokenizer
{
    private readonly byte[][] _words = [.. words, Encoding.UTF8.GetBytes("</s>")];

    public int EndOfText => _words.Length - 1;

    public override int VocabularySize => _words.Length;

    internal override bool StripsLeadingSpace => stripsLeadingSpace;

    /// <summary>All bytes, and words that cross the borders of JSON's tokens, of characters and of lines.</summary>
    public static WordTokenizer Complete(bool stripsLeadingSpace = false)
    {
        string[] words =
        [
            "the", " the", "ing", "a1", "00", "12", "123", "-1", ".5", "e+", "true", "false", "null", "tru", "ll", "{\"", "\":", "\": ", "\",", "\", \"", "\"}", "\"]", "],", "}}", "]]",
            "[[", "[{", "{}", "[]", "\\\"", "\\u", "\\n", "\\u00", "  ", "    ", "\n ", "\n\n", "a\"", "b\":", "a\",\"b", "\"a\":", "abc", "ab", "ba", "你好", "你", "，世界", "é", "😀", "x😀", "a,b", "1,2", ", ", ": ", " \"",
            "aaaaaaaaaaaaaaaaaaaaaaaa", "true,", "null}", "0]", "2024-", "-01-", "T0", "00Z", "@example.", ".com",
        ];
        byte[][] halves = [[0xE4, 0xBD], [0xA0, (byte)'"'], [0xF0, 0x9F], [0x98, 0x80], [(byte)'a', 0xE4]];
        return new WordTokenizer(Enumerable.Range(0, 256).Select(b => new[] { (byte)b }).Concat(words.Select(Encoding.UTF8.GetBytes)).Concat(halves), stripsLeadingSpace);
    }

    public override int[] Encode(string text, bool addSpecialTokens = true) => [.. Encoding.UTF8.GetBytes(text).Select(b => Array.FindIndex(_words, word => word is [var only] && only == b))];

    public override ReadOnlySpan<byte> GetBytes(int id) => _words[id];

    public override bool IsSpecial(int id) => id == EndOfText;
}
