namespace Batch.Inference.Tokenizers;

/// <summary>Reads BERT's own format: vocab.txt, a token a line, with the switches of tokenizer_config.json.</summary>
internal static class BertFiles
{
    private const string Prefix = "##";

    /// <param name="vocabFile">Holds a token a line.</param>
    /// <param name="configFile">May be absent; then text is made lower case, BERT's own default.</param>
    /// <param name="facts">The special tokens; gets BERT's own where the files say none.</param>
    public static TokenizerParts Read(string vocabFile, string configFile, SpecialTokenFacts facts)
    {
        var tokens = ReadVocabulary(vocabFile);
        foreach (var (role, token) in (ReadOnlySpan<(string, string)>)[("pad_token", "[PAD]"), ("mask_token", "[MASK]")])
        {
            if (tokens.ContainsKey(token))
            {
                facts.Default(role, token);
            }
        }
        var unknown = Find("unk_token", "[UNK]");
        var (start, end) = (Find("cls_token", "[CLS]"), Find("sep_token", "[SEP]"));
        var added = facts.Complete([], tokens);
        var decoder = DecoderJson.WordPiece(Prefix);
        return new TokenizerParts(
            new TextEncoder(ReadEdits(configFile), [], new PreTokenizer(BertText.Split), new WordPiece(tokens, unknown, Prefix, longestWord: 100)),
            new Vocabulary(tokens, added, decoder.BytesOf, decoder.BytesOfAdded),
            added)
        {
            Prefix = [start],
            Suffix = [end],
            StripsLeadingSpace = decoder.StripsLeadingSpace,
        };

        int Find(string role, string otherwise)
        {
            facts.Default(role, otherwise);
            var token = facts.Token(role)!;
            return tokens.TryGetValue(token, out var id)
                ? id
                : throw new InvalidDataException($"{vocabFile}: {role} is '{token}', which is no line of the file");
        }
    }

    private static IReadOnlyList<TextEdit> ReadEdits(string configFile)
    {
        if (!File.Exists(configFile))
        {
            return BertText.Edits(cleanText: true, spaceChinese: true, stripAccents: null, lowercase: true);
        }
        var config = JsonPart.Read(configFile);
        if (!config.Flag("do_basic_tokenize", true))
        {
            throw config.Unsupported("do_basic_tokenize", "false");
        }
        if (config.Find("never_split") is { } words && words.Items().Any())
        {
            throw config.Unsupported("never_split", words.Value.GetRawText());
        }
        return BertText.Edits(
            cleanText: true,
            config.Flag("tokenize_chinese_chars", true),
            config.Find("strip_accents") is null ? null : config.Flag("strip_accents", true),
            config.Flag("do_lower_case", true));
    }

    private static Dictionary<string, int> ReadVocabulary(string file)
    {
        var tokens = new Dictionary<string, int>();
        var id = 0;
        foreach (var line in File.ReadLines(file))
        {
            tokens[line] = id++;
        }
        return tokens;
    }
}
