namespace Batch.Inference.Tokenizers;

/// <summary>
/// Reads Mistral's tekken.json: byte pairs merge by the rank of what they make, as in tiktoken; control tokens come first, so a token's id is
/// its rank behind them.
/// </summary>
internal static class TekkenFile
{
    // Files before version 7 do not list them (mistral-common, Tekkenizer).
    private static readonly string[] Controls =
    [
        "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]",
        "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]",
    ];

    public static TokenizerParts Read(string file, SpecialTokenFacts facts)
    {
        var root = JsonPart.Read(file);
        var config = root.Get("config");
        var split = new SplitStep(config.Get("pattern").Expression(), SplitBehavior.Isolated, invert: false);
        var controls = config.Get("default_num_special_tokens").Id();
        var tokens = ReadVocabulary(root.Get("vocab"), config.Get("default_vocab_size").Id() - controls, controls);
        facts.Default("bos_token", "<s>");
        facts.Default("eos_token", "</s>");
        var added = facts.Complete(ReadControls(root.Find("special_tokens"), controls), tokens);
        return new TokenizerParts(
            new TextEncoder([], [], new PreTokenizer([split]), new RankedBytes(tokens)), new Vocabulary(tokens, added, ByteAlphabet.ToBytes), added)
        {
            Prefix = (facts.AddBos ?? true) ? [Id("<s>")] : [],
            Suffix = (facts.AddEos ?? false) ? [Id("</s>")] : [],
        };

        int Id(string content) => added.FirstOrDefault(token => token.Content == content)?.Id
            ?? throw new InvalidDataException($"{file}: special_tokens has no '{content}'");
    }

    /// <summary>Tokens in the byte alphabet; the file may hold more than the model uses.</summary>
    private static Dictionary<string, int> ReadVocabulary(JsonPart vocabulary, int count, int firstId)
    {
        var tokens = new Dictionary<string, int>();
        foreach (var entry in vocabulary.Items().Take(count))
        {
            var bytes = entry.Get("token_bytes");
            var rank = entry.Get("rank").Id();
            if (bytes.Value.ValueKind != System.Text.Json.JsonValueKind.String || !bytes.Value.TryGetBytesFromBase64(out var value) || rank != tokens.Count || !tokens.TryAdd(ByteAlphabet.Write(value), firstId + rank))
            {
                throw entry.Wrong($"the token of rank {tokens.Count}, in base64, that no other rank has");
            }
        }
        return tokens.Count == count && tokens.Count >= 256
            ? tokens
            : throw vocabulary.Wrong($"{count} tokens, the 256 bytes among them");
    }

    private static IEnumerable<AddedToken> ReadControls(JsonPart? listed, int count)
    {
        var names = Enumerable.Range(0, count).Select(id => id < Controls.Length ? Controls[id] : $"<SPECIAL_{id}>").ToArray();
        foreach (var token in listed?.Items() ?? [])
        {
            var rank = token.Get("rank");
            names[rank.Id() < count ? rank.Id() : throw rank.Wrong($"a rank below {count}")] = token.Get("token_str").Text();
        }
        return names.Select((name, id) => new AddedToken(id, name, Special: true));
    }
}
