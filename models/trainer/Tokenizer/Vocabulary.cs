namespace Batch.ModelTrainer.Tokenizer;

/// <summary>
/// A byte-level BPE vocabulary: id 0 is <c>&lt;|endoftext|&gt;</c>, ids 1 to 256 are the single bytes, and merge number i makes id 257 + i.
/// </summary>
internal sealed class Vocabulary
{
    public const string EndOfTextToken = "<|endoftext|>";
    public const int EndOfText = 0, FirstMerged = 257;

    // The pattern of Qwen2, GPT-4's with single digits.
    public const string Pattern = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private readonly byte[][] _bytes;

    public Vocabulary(IReadOnlyList<(int Left, int Right)> merges)
    {
        Merges = merges;
        _bytes = new byte[FirstMerged + merges.Count][];
        _bytes[EndOfText] = [];
        for (var i = 0; i < 256; i++)
        {
            _bytes[1 + i] = [ByteAlphabet.Ordered[i]];
        }
        for (var i = 0; i < merges.Count; i++)
        {
            _bytes[FirstMerged + i] = [.. _bytes[merges[i].Left], .. _bytes[merges[i].Right]];
        }
    }

    public IReadOnlyList<(int Left, int Right)> Merges { get; }

    public int Count => _bytes.Length;

    /// <summary>The bytes that a token stands for; none for the end of text.</summary>
    public ReadOnlySpan<byte> Bytes(int id) => _bytes[id];

    /// <summary>The token as tokenizer.json writes it.</summary>
    public string Written(int id) => id == EndOfText ? EndOfTextToken : ByteAlphabet.Write(_bytes[id]);
}
