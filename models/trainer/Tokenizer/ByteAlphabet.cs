using Alphabet = Batch.Inference.Tokenizers.ByteAlphabet;

namespace Batch.ModelTrainer.Tokenizer;

/// <summary>The engine's byte alphabet, as the trainer needs it: in which order bytes are numbered, and how the bytes of a token are written.</summary>
internal static class ByteAlphabet
{
    /// <summary>The bytes in the order of their characters: the order in which Hugging Face's trainer numbers them.</summary>
    public static byte[] Ordered { get; } = [.. Enumerable.Range(0, 256).Select(b => (byte)b).OrderBy(b => Alphabet.Characters[b])];

    public static string Write(ReadOnlySpan<byte> bytes)
    {
        var text = new char[bytes.Length];
        for (var i = 0; i < text.Length; i++)
        {
            text[i] = Alphabet.Characters[bytes[i]];
        }
        return new string(text);
    }
}
