using System.Text.Json;
using System.Text.Json.Nodes;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Tests.Tokenizers;

/// <summary>Tokenizers of a few hundred tokens, written by the tests that use them.</summary>
internal static class TinyTokenizer
{
    public const string ByteLevel = """{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}""";

    /// <summary>Byte tokens 0 to 255 in the alphabet's order, then one token per merge, then &lt;|end|&gt; (special) and &lt;note&gt; (a word).</summary>
    public static JsonObject ByteLevelJson(string[] merges, string preTokenizer = ByteLevel, string? normalizer = null)
    {
        var vocabulary = new JsonObject();
        foreach (var token in ByteAlphabet.Characters.ToArray().Select(c => c.ToString()).Concat(merges.Select(m => m.Replace(" ", ""))))
        {
            vocabulary[token] = vocabulary.Count;
        }
        var next = vocabulary.Count;
        return new JsonObject
        {
            ["added_tokens"] = new JsonArray(Added(next, "<|end|>", special: true), Added(next + 1, "<note>", special: false)),
            ["normalizer"] = normalizer is null ? null : JsonNode.Parse(normalizer),
            ["pre_tokenizer"] = JsonNode.Parse(preTokenizer),
            ["decoder"] = JsonNode.Parse("""{"type": "ByteLevel"}"""),
            ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = vocabulary, ["merges"] = JsonSerializer.SerializeToNode(merges) },
        };
    }

    /// <summary>Llama 2's shape: &lt;unk&gt;, &lt;s&gt;, &lt;/s&gt;, 256 byte tokens, then letters, then one token per merge.</summary>
    public static JsonObject SentencePieceJson(string letters, string[] merges, bool byteFallback = true)
    {
        var vocabulary = new JsonObject { ["<unk>"] = 0, ["<s>"] = 1, ["</s>"] = 2 };
        var bytes = byteFallback ? Enumerable.Range(0, 256).Select(SymbolTable.ByteToken) : [];
        foreach (var token in bytes.Concat(letters.Select(c => c.ToString())).Concat(merges.Select(m => m.Replace(" ", ""))))
        {
            vocabulary[token] = vocabulary.Count;
        }
        return new JsonObject
        {
            ["added_tokens"] = new JsonArray(Added(0, "<unk>", true), Added(1, "<s>", true), Added(2, "</s>", true)),
            ["normalizer"] = JsonNode.Parse("""
                {"type": "Sequence", "normalizers": [
                  {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
                """),
            ["decoder"] = JsonNode.Parse("""
                {"type": "Sequence", "decoders": [
                  {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
                  {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
                """),
            ["post_processor"] = JsonNode.Parse("""
                {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
                 "special_tokens": {"<s>": {"id": "<s>", "ids": [1]}}}
                """),
            ["model"] = new JsonObject
            {
                ["type"] = "BPE",
                ["unk_token"] = "<unk>",
                ["fuse_unk"] = true,
                ["byte_fallback"] = byteFallback,
                ["vocab"] = vocabulary,
                ["merges"] = JsonSerializer.SerializeToNode(merges),
            },
        };
    }

    /// <summary>Gemma's shape: no dummy prefix, byte tokens without the tab's, runs of spaces and line ends as words.</summary>
    public static JsonObject GemmaJson(string letters, string[] merges)
    {
        var json = SentencePieceJson(letters + "▁\n", ["▁ ▁", .. merges]);
        var vocabulary = json["model"]!["vocab"]!.AsObject();
        vocabulary.Remove("<0x09>");
        json["added_tokens"]!.AsArray().Add(Added(vocabulary["▁▁"]!.GetValue<int>(), "▁▁", special: false));
        json["added_tokens"]!.AsArray().Add(Added(900, "\n\n", special: false));
        json["normalizer"] = JsonNode.Parse("""{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}""");
        json["pre_tokenizer"] = JsonNode.Parse("""{"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false}""");
        json["decoder"]!["decoders"]!.AsArray().RemoveAt(3);
        return json;
    }

    /// <summary>[PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, then the words.</summary>
    public static JsonObject WordPieceJson(params string[] words)
    {
        string[] special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
        var vocabulary = new JsonObject();
        foreach (var word in special.Concat(words))
        {
            vocabulary[word] = vocabulary.Count;
        }
        return new JsonObject
        {
            ["added_tokens"] = new JsonArray([.. special.Select((token, id) => Added(id, token, special: true))]),
            ["normalizer"] = JsonNode.Parse("""{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true}"""),
            ["pre_tokenizer"] = JsonNode.Parse("""{"type": "BertPreTokenizer"}"""),
            ["post_processor"] = JsonNode.Parse("""{"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}"""),
            ["decoder"] = JsonNode.Parse("""{"type": "WordPiece", "prefix": "##", "cleanup": true}"""),
            ["model"] = new JsonObject
            {
                ["type"] = "WordPiece",
                ["unk_token"] = "[UNK]",
                ["continuing_subword_prefix"] = "##",
                ["max_input_chars_per_word"] = 100,
                ["vocab"] = vocabulary,
            },
        };
    }

    /// <summary>tekken.json with three control tokens, the 256 bytes and then the given tokens.</summary>
    public static string TekkenJson(params string[] tokens)
    {
        var bytes = Enumerable.Range(0, 256).Select(value => new[] { (byte)value }).Concat(tokens.Select(System.Text.Encoding.UTF8.GetBytes));
        return new JsonObject
        {
            ["config"] = new JsonObject
            {
                ["pattern"] = @"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+",
                ["default_vocab_size"] = 3 + 256 + tokens.Length,
                ["default_num_special_tokens"] = 3,
            },
            ["vocab"] = new JsonArray([.. bytes.Select((value, rank) => new JsonObject { ["rank"] = rank, ["token_bytes"] = Convert.ToBase64String(value) })]),
        }.ToJsonString();
    }

    public static HfTokenizer Load(JsonNode tokenizerJson, string? config = null)
    {
        using var folder = new TestFolder().With("tokenizer.json", tokenizerJson.ToJsonString());
        if (config is not null)
        {
            folder.With("tokenizer_config.json", config);
        }
        return HfTokenizer.Load(folder.Path);
    }

    public static JsonObject Added(int id, string content, bool special) =>
        new() { ["id"] = id, ["content"] = content, ["special"] = special, ["normalized"] = false };
}
