namespace Batch.ModelTrainer.Tokenizer;

/// <summary>GPT-2's reversible map from the 256 bytes to printable characters, which byte-level tokens are written in.</summary>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = BuildCharacters();
    private static readonly Dictionary<char, byte> Bytes = Enumerable.Range(0, 256).ToDictionary(b => Characters[b], b => (byte)b);

    /// <summary>The bytes in the order of their characters: the order in which Hugging Face's trainer numbers them.</summary>
    public static byte[] Ordered { get; } = [.. Enumerable.Range(0, 256).Select(b => (byte)b).OrderBy(b => Characters[b])];

    public static string Write(ReadOnlySpan<byte> bytes)
    {
        var text = new char[bytes.Length];
        for (var i = 0; i < text.Length; i++)
        {
            text[i] = Characters[bytes[i]];
        }
        return new string(text);
    }

    public static byte[] Read(string token) => [.. token.Select(c => Bytes[c])];

    private static char[] BuildCharacters()
    {
        var characters = new char[256];
        var next = 256;
        for (var b = 0; b < 256; b++)
        {
            var printable = b is (>= '!' and <= '~') or (>= 0xa1 and <= 0xac) or (>= 0xae and <= 0xff);
            characters[b] = (char)(printable ? b : next++);
        }
        return characters;
    }
}
