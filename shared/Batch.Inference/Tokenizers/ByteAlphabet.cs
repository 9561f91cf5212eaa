using System.Text;

namespace Batch.Inference.Tokenizers;

/// <summary>
/// GPT-2's writing of bytes as printable characters (Radford et al. 2019, bytes_to_unicode): printable Latin-1 bytes stand for themselves,
/// the others for U+0100 onwards in order.
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] CharOfByte = BuildCharOfByte();
    private static readonly Dictionary<char, byte> ByteOfChar = CharOfByte.Select((c, b) => (c, b)).ToDictionary(p => p.c, p => (byte)p.b);

    /// <summary>The character of each byte.</summary>
    public static ReadOnlySpan<char> Characters => CharOfByte;

    /// <summary>The text's UTF-8 bytes as characters of the alphabet.</summary>
    public static string Write(ReadOnlySpan<char> text)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        return Write(bytes);
    }

    /// <summary>Bytes as characters of the alphabet.</summary>
    public static string Write(byte[] bytes) =>
        string.Create(bytes.Length, bytes, (chars, source) =>
        {
            for (var i = 0; i < chars.Length; i++)
            {
                chars[i] = CharOfByte[source[i]];
            }
        });

    /// <summary>The bytes that a token is written for; a token with a character outside the alphabet is plain text.</summary>
    public static byte[] ToBytes(string token)
    {
        var bytes = new byte[token.Length];
        for (var i = 0; i < token.Length; i++)
        {
            if (!ByteOfChar.TryGetValue(token[i], out bytes[i]))
            {
                return Encoding.UTF8.GetBytes(token);
            }
        }
        return bytes;
    }

    private static char[] BuildCharOfByte()
    {
        var chars = new char[256];
        var next = (char)256;
        for (var b = 0; b < 256; b++)
        {
            chars[b] = b is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF) ? (char)b : next++;
        }
        return chars;
    }
}
