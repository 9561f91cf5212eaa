using System.Text;

namespace Batch.Inference.Tokenizers;

/// <summary>
/// The tokenizer of a Hugging Face folder: text to token ids and back. Immutable once loaded, so any number of threads may call it at once.
/// Its members are virtual so that a test can script one.
/// </summary>
public class HfTokenizer
{
    private readonly TokenizerParts? _parts;
    private readonly AddedTokenFinder? _words; // in a user's text: added words, no control tokens
    private readonly AddedTokenFinder? _wordsAndMask; // in a text with blanks
    private readonly AddedTokenFinder? _all; // in what a chat template wrote
    private readonly ChatEncoding? _chat;

    /// <summary>A tokenizer without tokens, for a subclass that overrides what it needs.</summary>
    protected HfTokenizer()
    {
    }

    private HfTokenizer(TokenizerParts parts, SpecialTokenFacts facts)
    {
        _parts = parts;
        _words = new AddedTokenFinder([.. parts.AddedTokens.Where(token => !token.Special)], parts.Encoder);
        _all = new AddedTokenFinder(parts.AddedTokens, parts.Encoder);
        ChatTemplate = facts.ChatTemplate;
        BosTokenId = FindRole(parts, facts, "bos_token", facts.BosToken);
        EosTokenId = FindRole(parts, facts, "eos_token", facts.EosToken);
        MaskToken = facts.MaskToken;
        MaskTokenId = FindRole(parts, facts, "mask_token", facts.MaskToken);
        _wordsAndMask = MaskTokenId is null
            ? null
            : new AddedTokenFinder([.. parts.AddedTokens.Where(token => !token.Special || token.Id == MaskTokenId)], parts.Encoder);
        _chat = facts.ChatTemplate is null ? null : new ChatEncoding(facts.ChatTemplate, facts.BosToken, facts.EosToken, parts.AddedTokens);
    }

    /// <summary>Highest id + 1; a model's logits may be wider.</summary>
    public virtual int VocabularySize => Parts.Vocabulary.Size;

    public virtual int? BosTokenId { get; }

    public virtual int? EosTokenId { get; }

    /// <summary>The id that stands for a blank, where the model fills blanks.</summary>
    public virtual int? MaskTokenId { get; }

    /// <summary>How a blank is written, as in [MASK].</summary>
    public virtual string? MaskToken { get; }

    /// <summary>The Jinja source of chat_template.jinja or of tokenizer_config.json's chat_template.</summary>
    public virtual string? ChatTemplate { get; }

    /// <summary>Decoding takes away the space that encoding wrote before the text.</summary>
    internal virtual bool StripsLeadingSpace => _parts?.StripsLeadingSpace ?? false;

    private TokenizerParts Parts => _parts ?? throw WithoutFiles();

    private AddedTokenFinder Words => _words ?? throw WithoutFiles();

    private static NotSupportedException WithoutFiles() => new("This tokenizer has no files; override the member.");

    /// <summary>
    /// Reads tokenizer.json, else vocab.json with merges.txt, else tokenizer.model, else tekken.json, else BERT's vocab.txt, and the special
    /// tokens from the files beside it.
    /// </summary>
    /// <exception cref="FileNotFoundException">The folder holds none of them.</exception>
    /// <exception cref="InvalidDataException">A file is malformed or asks for what is not supported; the message names it.</exception>
    public static HfTokenizer Load(string folder)
    {
        var facts = SpecialTokenFacts.Read(folder);
        return new HfTokenizer(ReadParts(folder, facts), facts);
    }

    /// <summary>The ids of a text. What looks like a special token in it stays text.</summary>
    /// <param name="text">Any text; lone surrogates become U+FFFD.</param>
    /// <param name="addSpecialTokens">Adds BOS and EOS where the post_processor or add_bos_token and add_eos_token say so.</param>
    public virtual int[] Encode(string text, bool addSpecialTokens = true)
    {
        var ids = new List<int>(text.Length / 3 + 2);
        if (addSpecialTokens)
        {
            ids.AddRange(Parts.Prefix);
        }
        EncodeSegments(TextEncoder.ReplaceLoneSurrogates(text), Words, Words, ids);
        if (addSpecialTokens)
        {
            ids.AddRange(Parts.Suffix);
        }
        return [.. ids];
    }

    /// <summary>The ids of a text with blanks: the mask token written in it is that token; what looks like another special token stays text.</summary>
    /// <exception cref="NotSupportedException">The tokenizer has no mask token.</exception>
    internal int[] EncodeMasked(string text)
    {
        var tokens = _wordsAndMask ?? throw new NotSupportedException("This tokenizer has no mask token.");
        var ids = new List<int>(Parts.Prefix);
        EncodeSegments(TextEncoder.ReplaceLoneSurrogates(text), tokens, tokens, ids);
        ids.AddRange(Parts.Suffix);
        return [.. ids];
    }

    /// <summary>
    /// The ids of a conversation as the model's chat template writes it, up to where the model speaks next. Special tokens of the template
    /// are control tokens; what looks like one in a message stays text.
    /// </summary>
    /// <exception cref="InvalidOperationException">The model has no chat template.</exception>
    /// <exception cref="ArgumentException">The template refuses these messages.</exception>
    /// <exception cref="InvalidDataException">The template uses what is not supported.</exception>
    public virtual int[] EncodeChat(IReadOnlyList<ChatMessage> messages)
    {
        var chat = _chat ?? throw new InvalidOperationException("The model has no chat template; send a prompt instead of messages.");
        var (text, guard) = chat.Render(messages);
        return EncodeRendered(text, guard);
    }

    /// <summary>The ids of a text in which added tokens of all kinds count, control tokens included.</summary>
    /// <param name="text">What a chat template wrote.</param>
    /// <param name="guard">Keeps words in the text from being found, and goes before it is encoded.</param>
    internal int[] EncodeRendered(string text, string? guard = null)
    {
        var all = _all ?? throw WithoutFiles();
        var ids = new List<int>(text.Length / 3);
        EncodeSegments(TextEncoder.ReplaceLoneSurrogates(text), all, Words, ids, guard);
        return [.. ids];
    }

    /// <summary>The text of ids; bytes that are no UTF-8 become U+FFFD.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An id is outside the vocabulary.</exception>
    public virtual string Decode(IReadOnlyList<int> ids, bool skipSpecialTokens = true)
    {
        var bytes = new List<byte>(ids.Count * 4);
        foreach (var id in ids)
        {
            if (!skipSpecialTokens || !IsSpecial(id))
            {
                bytes.AddRange(GetBytes(id));
            }
        }
        var text = Encoding.UTF8.GetString(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(bytes));
        return StripsLeadingSpace && text.StartsWith(' ') ? text[1..] : text;
    }

    /// <summary>The bytes that a token adds to the text; empty for an id that the files leave out.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is outside the vocabulary.</exception>
    public virtual ReadOnlySpan<byte> GetBytes(int id) => Parts.Vocabulary.GetBytes(id);

    /// <summary>A token as the vocabulary writes it; empty for an id that the files leave out.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is outside the vocabulary.</exception>
    internal string GetToken(int id) => Parts.Vocabulary.GetToken(id);

    /// <summary>The id of a token as the vocabulary writes it.</summary>
    internal int? FindToken(string token) => Parts.Vocabulary.Find(token);

    /// <summary>True for control tokens such as BOS and EOS.</summary>
    public virtual bool IsSpecial(int id) => Parts.Vocabulary.IsSpecial(id);

    /// <param name="text">No lone surrogates.</param>
    /// <param name="tokens">Finds the added tokens.</param>
    /// <param name="guarded">Finds them, once they are normalized, in a stretch with a guard.</param>
    /// <param name="ids">Gets the ids.</param>
    /// <param name="guard">Kept words in the text from being found, and goes before it is encoded.</param>
    private void EncodeSegments(string text, AddedTokenFinder tokens, AddedTokenFinder guarded, List<int> ids, string? guard = null)
    {
        foreach (var (start, length, token) in tokens.InText.Split(text))
        {
            if (token is not null)
            {
                ids.Add(token.Id);
                continue;
            }
            var piece = text.Substring(start, length);
            var hasGuard = guard is not null && piece.Contains(guard, StringComparison.Ordinal);
            piece = hasGuard ? piece.Replace(guard!, "", StringComparison.Ordinal) : piece;
            Parts.Encoder.Encode(piece, startsText: start == 0, (hasGuard ? guarded : tokens).InNormalized, ids);
        }
    }

    private static TokenizerParts ReadParts(string folder, SpecialTokenFacts facts)
    {
        string At(string name) => Path.Combine(folder, name);

        if (File.Exists(At("tokenizer.json")))
        {
            return TokenizerJson.Read(At("tokenizer.json"), facts);
        }
        if (File.Exists(At("vocab.json")) && File.Exists(At("merges.txt")))
        {
            return Gpt2Files.Read(At("vocab.json"), At("merges.txt"), facts);
        }
        if (File.Exists(At("tokenizer.model")))
        {
            return SentencePieceBpe.Read(At("tokenizer.model"), facts);
        }
        if (File.Exists(At("tekken.json")))
        {
            return TekkenFile.Read(At("tekken.json"), facts);
        }
        if (File.Exists(At("vocab.txt")))
        {
            return BertFiles.Read(At("vocab.txt"), At("tokenizer_config.json"), facts);
        }
        var seen = Directory.Exists(folder)
            ? $"saw {string.Join(", ", Directory.GetFiles(folder).Select(Path.GetFileName).Order())}"
            : "no such folder";
        throw new FileNotFoundException($"{folder}: wanted tokenizer.json, vocab.json with merges.txt, tokenizer.model, tekken.json or vocab.txt; {seen}");
    }

    private static int? FindRole(TokenizerParts parts, SpecialTokenFacts facts, string role, string? token) => token is null
        ? null
        : parts.Vocabulary.Find(token)
            ?? throw new InvalidDataException($"{facts.Folder}: {role} is '{token}', which is no token of the vocabulary");
}
