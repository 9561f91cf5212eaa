using System.Text;

namespace Batch.Inference.Tokenizers;

/// <summary>Reads the decoder of a tokenizer.json as the bytes of each token and what becomes of a leading space.</summary>
internal sealed class DecoderJson
{
    private readonly List<(string Old, string New)> _replacements = [];
    private bool _byteLevel;
    private bool _byteFallback;
    private string? _continuation; // WordPiece: marks a token that goes on inside a word; others come after a space
    private bool _cleanup;

    /// <summary>The first space of the decoded text belongs to the encoding, not to the text.</summary>
    public bool StripsLeadingSpace { get; private set; }

    public static DecoderJson Read(JsonPart? decoder)
    {
        var read = new DecoderJson();
        if (decoder is { } part)
        {
            read.Add(part);
        }
        return read;
    }

    /// <summary>The decoder of BERT's own files.</summary>
    public static DecoderJson WordPiece(string prefix) => new() { _continuation = prefix, _cleanup = true, StripsLeadingSpace = true };

    public byte[] BytesOf(string token)
    {
        if (_byteLevel)
        {
            return ByteAlphabet.ToBytes(token);
        }
        if (_byteFallback && SymbolTable.TryReadByte(token, out var value))
        {
            return [value];
        }
        if (_continuation is not null)
        {
            token = token.StartsWith(_continuation, StringComparison.Ordinal) ? token[_continuation.Length..] : CleanUp(" " + token);
        }
        foreach (var (old, replacement) in _replacements)
        {
            token = token.Replace(old, replacement, StringComparison.Ordinal);
        }
        return Encoding.UTF8.GetBytes(token);
    }

    /// <summary>An added token goes through the decoder like any other, but its characters stand for no bytes.</summary>
    public byte[] BytesOfAdded(string content) => _byteLevel ? Encoding.UTF8.GetBytes(content) : BytesOf(content);

    /// <summary>No space before the signs that English sets close: Hugging Face's cleanup, as far as one token shows it.</summary>
    private string CleanUp(string word) => _cleanup
        && (word is " n't" or " 'm" or " 's" or " 've" or " 're" || (word.Length > 1 && word[1] is '.' or '?' or '!' or ','))
        ? word[1..]
        : word;

    private void Add(JsonPart part)
    {
        var type = part.Get("type").Text();
        switch (type)
        {
            case "Sequence":
                foreach (var item in part.Get("decoders").Items())
                {
                    Add(item);
                }
                break;
            case "ByteLevel":
                _byteLevel = true;
                break;
            case "ByteFallback":
                _byteFallback = true;
                break;
            case "Fuse":
                break;
            case "WordPiece":
                _continuation = part.Find("prefix")?.Text() ?? "##";
                _cleanup = part.Flag("cleanup", true);
                StripsLeadingSpace = true;
                break;
            case "Replace":
                _replacements.Add((part.Get("pattern").Get("String").Text(), part.Get("content").Text()));
                break;
            case "Metaspace":
                _replacements.Add((part.Get("replacement").Text(), " "));
                StripsLeadingSpace = PreTokenizerJson.PrependScheme(part) != "never";
                break;
            case "Strip" when part.Get("content").Text() == " " && part.Get("start").Integer() <= 1 && part.Get("stop").Integer() == 0:
                StripsLeadingSpace = part.Get("start").Integer() == 1;
                break;
            default:
                throw part.Unsupported("decoder", type);
        }
    }
}
