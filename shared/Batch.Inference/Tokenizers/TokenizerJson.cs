namespace Batch.Inference.Tokenizers;

/// <summary>Reads Hugging Face's tokenizer.json with a BPE model, byte-level or in sentencepiece's style, or with WordPiece.</summary>
internal static class TokenizerJson
{
    public static TokenizerParts Read(string file, SpecialTokenFacts facts)
    {
        var root = JsonPart.Read(file);
        var model = root.Get("model");
        var isWordPiece = ReadIsWordPiece(model);
        var tokens = ReadVocabulary(model.Get("vocab"));
        var own = (root.Find("added_tokens")?.Items() ?? []).Select(token => AddedToken.Read(token, token.Get("id").Id()));
        var added = facts.Complete(own, tokens);
        var preTokenizer = PreTokenizerJson.Read(root.Find("pre_tokenizer"));
        var decoder = DecoderJson.Read(root.Find("decoder"));
        TextEdit[] normalizer = root.Find("normalizer") is { } part ? [.. TextEdits.Read(part)] : [];
        ITokenModel tokenModel = isWordPiece ? ReadWordPiece(model, tokens)
            : preTokenizer.IsByteLevel ? ReadByteLevel(model, tokens)
            : ReadCharacters(model, tokens);
        var (prefix, suffix) = PostProcessorJson.Read(root.Find("post_processor"));
        return new TokenizerParts(
            new TextEncoder(normalizer, preTokenizer.Edits, preTokenizer.PreTokenizer, tokenModel),
            new Vocabulary(tokens, added, decoder.BytesOf, decoder.BytesOfAdded),
            added)
        {
            Prefix = prefix,
            Suffix = suffix,
            StripsLeadingSpace = decoder.StripsLeadingSpace,
        };
    }

    private static bool ReadIsWordPiece(JsonPart model)
    {
        // Files older than the field hold BPE when they hold merges.
        var type = model.Find("type")?.Text() ?? (model.Find("merges") is null ? "without merges" : "BPE");
        return type is "BPE" or "WordPiece" ? type == "WordPiece" : throw model.Unsupported("model", type);
    }

    private static void RequirePlainBpe(JsonPart model)
    {
        foreach (var affix in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (model.Find(affix) is { } part && part.Text().Length > 0)
            {
                throw model.Unsupported(affix, part.Text());
            }
        }
        if (model.Find("dropout") is { } dropout && dropout.Value.GetRawText() is not ("0" or "0.0"))
        {
            throw model.Unsupported("dropout", dropout.Value.GetRawText());
        }
    }

    /// <summary>An object of tokens and their ids.</summary>
    public static Dictionary<string, int> ReadVocabulary(JsonPart vocabulary)
    {
        var tokens = new Dictionary<string, int>();
        foreach (var (token, id) in vocabulary.Members())
        {
            tokens[token] = id.Id();
        }
        return tokens;
    }

    private static WordPiece ReadWordPiece(JsonPart model, Dictionary<string, int> tokens)
    {
        var unknown = model.Get("unk_token");
        return new WordPiece(
            tokens,
            tokens.TryGetValue(unknown.Text(), out var id) ? id : throw unknown.Wrong("a token of the vocabulary"),
            model.Find("continuing_subword_prefix")?.Text() ?? "##",
            model.Find("max_input_chars_per_word")?.Integer() ?? 100);
    }

    private static ByteLevelBpe ReadByteLevel(JsonPart model, Dictionary<string, int> tokens)
    {
        RequirePlainBpe(model);
        return new(tokens, [.. ReadMerges(model.Get("merges"))], model.Flag("ignore_merges", false), model.File);
    }

    private static RankedMerges ReadCharacters(JsonPart model, Dictionary<string, int> tokens)
    {
        RequirePlainBpe(model);
        if (model.Flag("ignore_merges", false))
        {
            throw model.Unsupported("ignore_merges without ByteLevel", "true");
        }
        int? unknown = model.Find("unk_token") is { } token
            ? tokens.TryGetValue(token.Text(), out var id) ? id : throw token.Wrong("a token of the vocabulary")
            : null;
        var byteIds = model.Flag("byte_fallback", false) ? SymbolTable.FindByteIds(tokens) : null;
        var symbols = new SymbolTable(tokens, [], byteIds, unknown, model.Flag("fuse_unk", false));
        return new RankedMerges(symbols, new PairMerges(tokens, ReadMerges(model.Get("merges")), model.File));
    }

    /// <summary>"left right" or ["left", "right"].</summary>
    private static IEnumerable<(string Left, string Right)> ReadMerges(JsonPart merges)
    {
        foreach (var merge in merges.Items())
        {
            var sides = merge.Value.ValueKind == System.Text.Json.JsonValueKind.Array
                ? [.. merge.Items().Select(side => side.Text())]
                : merge.Text().Split(' ');
            yield return sides.Length == 2 ? (sides[0], sides[1]) : throw merge.Wrong("two tokens");
        }
    }
}
