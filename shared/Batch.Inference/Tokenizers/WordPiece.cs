namespace Batch.Inference.Tokenizers;

/// <summary>
/// WordPiece (Schuster and Nakajima 2012; BERT): from the left, the longest token each time; a word that cannot be spelt so is one unknown
/// token.
/// </summary>
/// <param name="tokens">The vocabulary.</param>
/// <param name="unknownId">Stands for what cannot be spelt.</param>
/// <param name="prefix">Marks the tokens that go on inside a word.</param>
/// <param name="longestWord">Words of more characters are unknown.</param>
internal sealed class WordPiece(Dictionary<string, int> tokens, int unknownId, string prefix, int longestWord) : ITokenModel
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _tokens = tokens.GetAlternateLookup<ReadOnlySpan<char>>();

    public void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        if (piece.Length > 2 * longestWord || CountRunes(piece) > longestWord)
        {
            ids.Add(unknownId);
            return;
        }
        var first = ids.Count;
        Span<char> word = new char[prefix.Length + piece.Length]; // the prefix, then what is left of the word
        prefix.CopyTo(word);
        for (var start = 0; start < piece.Length;)
        {
            var rest = piece[start..];
            rest.CopyTo(word[prefix.Length..]);
            var length = LongestToken(start == 0 ? rest : word[..(prefix.Length + rest.Length)], start == 0 ? 0 : prefix.Length, out var id);
            if (length == 0)
            {
                ids.RemoveRange(first, ids.Count - first);
                ids.Add(unknownId);
                return;
            }
            ids.Add(id);
            start += length;
        }
    }

    /// <summary>Length, without the prefix, of the longest token at the start of the text; 0 where there is none.</summary>
    private int LongestToken(ReadOnlySpan<char> text, int prefixLength, out int id)
    {
        for (var end = text.Length; end > prefixLength; end--)
        {
            // No end inside a surrogate pair: no token has one.
            if (!char.IsHighSurrogate(text[end - 1]) && _tokens.TryGetValue(text[..end], out id))
            {
                return end - prefixLength;
            }
        }
        id = unknownId;
        return 0;
    }

    private static int CountRunes(ReadOnlySpan<char> text)
    {
        var count = 0;
        foreach (var _ in text.EnumerateRunes())
        {
            count++;
        }
        return count;
    }
}
