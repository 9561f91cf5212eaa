using System.Text;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Tests.Engine;

/// <summary>A token is a byte: characters beyond ASCII are split over tokens.</summary>
internal sealed class ByteTokenizer : HfTokenizer
{
    private static readonly byte[][] Bytes = Enumerable.Range(0, 256).Select(b => new[] { (byte)b }).ToArray();

    public override int VocabularySize => 256;

    public override int[] Encode(string text, bool addSpecialTokens = true) => Encoding.UTF8.GetBytes(text).Select(b => (int)b).ToArray();

    public override string Decode(IReadOnlyList<int> ids, bool skipSpecialTokens = true) => Encoding.UTF8.GetString(ids.Select(id => (byte)id).ToArray());

    public override ReadOnlySpan<byte> GetBytes(int id) => Bytes[id];

    public override bool IsSpecial(int id) => false;
}

/// <summary>A token is a Chinese character, so that a text shows exactly which tokens it is made of.</summary>
internal sealed class CharacterTokenizer(int vocabularySize) : HfTokenizer
{
    private const char First = '\u4e00';

    public override int VocabularySize => vocabularySize;

    public override int[] Encode(string text, bool addSpecialTokens = true) => text.Select(c => c - First).ToArray();

    public override string Decode(IReadOnlyList<int> ids, bool skipSpecialTokens = true) => new(ids.Select(id => (char)(First + id)).ToArray());

    public override ReadOnlySpan<byte> GetBytes(int id) => Encoding.UTF8.GetBytes(((char)(First + id)).ToString());

    public override bool IsSpecial(int id) => false;
}
