using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Batch.Benchmarks.References;
using Batch.Inference.Models;
using Batch.Inference.Tokenizers;
using Batch.Inference.Weights;
using CsCheck;
using Google.Protobuf;
using static TorchSharp.torch;

namespace Batch.Benchmarks.Fuzz;

/// <summary>The files of a model folder. Refusals are <see cref="InvalidDataException"/>, what is not supported, and a file that is missing.</summary>
internal sealed class ModelFolderTargets : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("batch-fuzz-");
    private readonly Dictionary<string, string> _families = [];

    public IEnumerable<FuzzTarget> All =>
    [
        new("safetensors", new Mutated([Tensors()], ["\"F32\"", "\"BF16\"", "\"F4\"", "\"shape\":", "\"data_offsets\":", "[0,0]", "[-1]", "[9223372036854775807,2]", "\"__metadata__\":{}"]).Select(Framed), ReadTensors),
        FuzzTarget.Of("shard-index", ["""{"metadata":{"total_size":8},"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}"""], ["\"../x\"", "\"/etc/passwd\"", "\"weight_map\":"], ReadIndex),
        FuzzTarget.Of("tokenizer.json", [ByteLevel(), SentencePieceLike(), WordPieceLike()], TokenizerWords, input => ReadTokenizer("tokenizer.json", input), 3),
        FuzzTarget.Of("tekken.json", [Tekken()], ["\"pattern\":\"(a+)+$\"", "\"rank\":", "\"token_bytes\":", "\"default_vocab_size\":16777215", "\"special_tokens\":[]"], input => ReadTokenizer("tekken.json", input), 2),
        new("tokenizer.model", new Mutated([SentencePieceModel()], []), input => ReadTokenizer("tokenizer.model", input), 5),
        FuzzTarget.Of("vocab.txt", ["[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\nc"], ["\n", "[UNK]", "##"], input => ReadTokenizer("vocab.txt", input), 5),
        FuzzTarget.Of("config.json", ReferenceCases.All.Select(each => JsonSerializer.Serialize(each.Config)), ConfigWords, ReadConfig, 5),
    ];

    private static readonly string[] TokenizerWords =
    [
        "\"(a+)+$\"", "\"(a|aa)+$\"", "\"[\"", "\"type\":\"Split\"", "\"type\":\"Sequence\"", "\"behavior\":\"Removed\"", "\"Regex\":", "\"String\":\"\"", "\"merges\":[\"a b\"]", "\"vocab\":{}", "\"special\":true", "\"normalizer\":", "\"Lowercase\"", "\"NFKC\"", "\"Prepend\"", "16777215", "\"content\":\"\"",
        "\"ByteFallback\"", "\"max_input_chars_per_word\":2147483647",
    ];

    private static readonly string[] ConfigWords =
    [
        "\"head_dim\":", "\"num_hidden_layers\":", "\"vocab_size\":", "\"max_position_embeddings\":", "\"rope_scaling\":", "\"factor\":", "\"num_key_value_heads\":", "\"sliding_window\":", "\"model_type\":", "\"layer_types\":[]", "2147483647", "1000000000", "-1", "1e38", "\"text_config\":{}", "\"quantization_config\":{}",
    ];

    private static readonly Type[] Refusals = [typeof(InvalidDataException), typeof(NotSupportedException), typeof(FileNotFoundException)];

    public void Dispose() => _folder.Delete(recursive: true);

    private string At(string name) => Path.Combine(_folder.FullName, name);

    // The length mostly says what the header has, so that the header is read.
    private static byte[] Framed(byte[] header)
    {
        var chance = header.Sum(b => b) % 16;
        var file = new byte[8 + header.Length + (chance == 0 ? 5 : 32)];
        BinaryPrimitives.WriteInt64LittleEndian(file, chance switch { 1 => (header.Length * 3L) - 40, 2 => long.MinValue + header.Length, _ => header.Length });
        header.CopyTo(file, 8);
        return file;
    }

    private static byte[] Tensors() =>
        """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[8],"data_offsets":[16,32]}}"""u8.ToArray();

    private bool ReadTensors(byte[] input)
    {
        var path = At("fuzzed.safetensors");
        File.WriteAllBytes(path, input);
        return FuzzTarget.Takes(
            () =>
            {
                using var file = SafetensorsFile.Open(path);
                foreach (var entry in file.Entries.Values)
                {
                    file.Read(entry, 0, new byte[entry.Length]);
                }
            },
            Refusals);
    }

    private bool ReadIndex(byte[] input)
    {
        var folder = Directory.CreateDirectory(At("sharded")).FullName;
        File.WriteAllBytes(Path.Combine(folder, "model.safetensors.index.json"), input);
        foreach (var (name, tensor) in new[] { ("model-1.safetensors", "a"), ("model-2.safetensors", "b") })
        {
            File.WriteAllBytes(Path.Combine(folder, name), Framed(Encoding.UTF8.GetBytes($$$"""{"{{{tensor}}}":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}}""")));
        }

        var files = new List<SafetensorsFile>();
        try
        {
            return FuzzTarget.Takes(() => ShardIndex.Open(folder, files), Refusals);
        }
        finally
        {
            files.ForEach(file => file.Dispose());
        }
    }

    private bool ReadTokenizer(string name, byte[] input)
    {
        var folder = Directory.CreateDirectory(At("tokenizer-" + name)).FullName;
        File.WriteAllBytes(Path.Combine(folder, name), input);
        return FuzzTarget.Takes(
            () =>
            {
                var tokenizer = HfTokenizer.Load(folder);
                var ids = tokenizer.Encode("Hello, <s> wörld! aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\n\n 你好 12345", addSpecialTokens: true);
                tokenizer.Decode(ids, skipSpecialTokens: false);
            },
            [.. Refusals, typeof(System.Text.RegularExpressions.RegexMatchTimeoutException)]);
    }

    // A checkpoint that the unchanged config loads: with another config it is refused, or loads too.
    private bool ReadConfig(byte[] input)
    {
        var text = Encoding.UTF8.GetString(input);
        var family = ReferenceCases.All.Select(each => each.Config).OfType<Dictionary<string, object?>>().Select(config => config["model_type"]!.ToString()!).Distinct().OrderByDescending(name => name.Length)
            .FirstOrDefault(name => text.Contains($"\"{name}\"", StringComparison.Ordinal)) ?? "llama";
        var folder = FolderOf(family);
        File.WriteAllBytes(Path.Combine(folder, "config.json"), input);
        return FuzzTarget.Takes(
            () =>
            {
                using var scope = NewDisposeScope();
                using var mode = inference_mode();
                using var weights = new WeightLoader(folder, ScalarType.Float32, CPU);
                using var model = CausalLM.Create(ModelConfig.Load(folder), weights);
            },
            Refusals);
    }

    private string FolderOf(string family)
    {
        if (!_families.TryGetValue(family, out var folder))
        {
            folder = Directory.CreateDirectory(At($"family-{family}")).FullName;
            var config = ReferenceCases.All.First(each => JsonSerializer.Serialize(each.Config).Contains($"\"{family}\"", StringComparison.Ordinal)).Config;
            RandomCheckpoint.Write(folder, JsonSerializer.Serialize(config), 1);
            _families[family] = folder;
        }

        return folder;
    }

    private static string ByteLevel() => new JsonObject
    {
        ["added_tokens"] = new JsonArray(new JsonObject { ["id"] = 257, ["content"] = "<s>", ["special"] = true, ["normalized"] = false }),
        ["normalizer"] = JsonNode.Parse("""{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}]}"""),
        ["pre_tokenizer"] = JsonNode.Parse("""{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+|\\s+"},"behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}"""),
        ["decoder"] = JsonNode.Parse("""{"type":"ByteLevel"}"""),
        ["model"] = new JsonObject { ["type"] = "BPE", ["vocab"] = Vocabulary(ByteAlphabet.Characters.ToArray().Select(c => c.ToString()).Append("ab")), ["merges"] = new JsonArray("a b") },
    }.ToJsonString();

    private static string SentencePieceLike() => new JsonObject
    {
        ["added_tokens"] = new JsonArray(new JsonObject { ["id"] = 1, ["content"] = "<s>", ["special"] = true, ["normalized"] = false }),
        ["normalizer"] = JsonNode.Parse("""{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]}"""),
        ["decoder"] = JsonNode.Parse("""{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]}"""),
        ["post_processor"] = JsonNode.Parse("""{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"id":"<s>","ids":[1]}}}"""),
        ["model"] = new JsonObject
        {
            ["type"] = "BPE",
            ["unk_token"] = "<unk>",
            ["fuse_unk"] = true,
            ["byte_fallback"] = true,
            ["vocab"] = Vocabulary(["<unk>", "<s>", "</s>", .. Enumerable.Range(0, 256).Select(SymbolTable.ByteToken), .. "▁helowrd".Select(c => c.ToString()), "he", "▁he"]),
            ["merges"] = new JsonArray("h e", "▁ he"),
        },
    }.ToJsonString();

    private static string WordPieceLike() => new JsonObject
    {
        ["added_tokens"] = new JsonArray(),
        ["normalizer"] = JsonNode.Parse("""{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}"""),
        ["pre_tokenizer"] = JsonNode.Parse("""{"type":"BertPreTokenizer"}"""),
        ["post_processor"] = JsonNode.Parse("""{"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]}"""),
        ["decoder"] = JsonNode.Parse("""{"type":"WordPiece","prefix":"##","cleanup":true}"""),
        ["model"] = new JsonObject { ["type"] = "WordPiece", ["unk_token"] = "[UNK]", ["continuing_subword_prefix"] = "##", ["max_input_chars_per_word"] = 100, ["vocab"] = Vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "hello"]) },
    }.ToJsonString();

    private static string Tekken() => new JsonObject
    {
        ["config"] = new JsonObject { ["pattern"] = @"\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s+", ["default_vocab_size"] = 260, ["default_num_special_tokens"] = 3 },
        ["vocab"] = new JsonArray([.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value }).Append("ab"u8.ToArray()).Select((bytes, rank) => new JsonObject { ["rank"] = rank, ["token_bytes"] = Convert.ToBase64String(bytes) })]),
    }.ToJsonString();

    private static JsonObject Vocabulary(IEnumerable<string> tokens)
    {
        var vocabulary = new JsonObject();
        foreach (var token in tokens)
        {
            vocabulary[token] = vocabulary.Count;
        }

        return vocabulary;
    }

    // Pieces (1: text, 2: score, 3: type), trainer (3: BPE) and normalizer.
    private static byte[] SentencePieceModel()
    {
        using var buffer = new MemoryStream();
        using var output = new CodedOutputStream(buffer);
        void Piece(string text, float score, int type) => Message(output, 1, inner =>
        {
            inner.WriteTag(1, WireFormat.WireType.LengthDelimited);
            inner.WriteString(text);
            inner.WriteTag(2, WireFormat.WireType.Fixed32);
            inner.WriteFloat(score);
            inner.WriteTag(3, WireFormat.WireType.Varint);
            inner.WriteEnum(type);
        });
        Piece("<unk>", 0, 2);
        Piece("<s>", 0, 3);
        Piece("</s>", 0, 3);
        for (var b = 0; b < 256; b++)
        {
            Piece(SymbolTable.ByteToken(b), 0, 6);
        }

        foreach (var (text, score) in "▁helo".Select((c, i) => (c.ToString(), -10f - i)).Append(("he", -1f)).Append(("▁he", -2f)))
        {
            Piece(text, score, 1);
        }

        Message(output, 2, inner =>
        {
            inner.WriteTag(3, WireFormat.WireType.Varint);
            inner.WriteEnum(2);
            inner.WriteTag(35, WireFormat.WireType.Varint);
            inner.WriteBool(true);
        });
        output.Flush();
        return buffer.ToArray();
    }

    private static void Message(CodedOutputStream output, int field, Action<CodedOutputStream> write)
    {
        using var buffer = new MemoryStream();
        using var inner = new CodedOutputStream(buffer);
        write(inner);
        inner.Flush();
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(buffer.ToArray()));
    }
}
