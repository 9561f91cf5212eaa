using System.Text;

namespace Batch.Inference.Tokenizers;

/// <summary>
/// Decodes one stream of ids piece by piece. No piece ends inside a character: bytes wait until the character is whole. All pieces together
/// are what <see cref="HfTokenizer.Decode"/> gives. For one stream and one thread.
/// </summary>
/// <param name="tokenizer">Whose ids they are.</param>
/// <param name="skipSpecialTokens">Leaves control tokens out of the text.</param>
/// <param name="continuesText">The ids go on from a prompt, so a leading space is part of the text and stays.</param>
public sealed class IncrementalDecoder(HfTokenizer tokenizer, bool skipSpecialTokens = true, bool continuesText = false)
{
    private readonly Decoder _utf8 = Encoding.UTF8.GetDecoder();
    private bool _stripSpace = tokenizer.StripsLeadingSpace && !continuesText;

    /// <summary>The characters that this token completes, often none.</summary>
    public string Append(int id) => skipSpecialTokens && tokenizer.IsSpecial(id) ? "" : Decode(tokenizer.GetBytes(id), flush: false);

    /// <summary>What is left at the end: U+FFFD for a character that never became whole.</summary>
    public string Flush() => Decode([], flush: true);

    private string Decode(ReadOnlySpan<byte> bytes, bool flush)
    {
        if (_stripSpace && bytes.Length > 0)
        {
            _stripSpace = false;
            bytes = bytes[0] == (byte)' ' ? bytes[1..] : bytes;
        }
        Span<char> chars = stackalloc char[256];
        var text = new StringBuilder();
        var done = false;
        while (!done)
        {
            _utf8.Convert(bytes, chars, flush, out var used, out var written, out done);
            text.Append(chars[..written]);
            bytes = bytes[used..];
        }
        return text.ToString();
    }
}
