using System.Text.Encodings.Web;
using System.Text.Json;

namespace Batch.ModelTrainer.Tokenizer;

/// <summary>Writes and reads the vocabulary as a Hugging Face tokenizer.json.</summary>
internal static class TokenizerJson
{
    public static void Write(string file, Vocabulary vocabulary)
    {
        using var stream = File.Create(file);
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        WriteAddedTokens(json);
        json.WriteNull("normalizer");
        WritePreTokenizer(json);
        json.WriteNull("post_processor");
        json.WriteStartObject("decoder");
        WriteByteLevel(json);
        json.WriteEndObject();
        WriteModel(json, vocabulary);
        json.WriteEndObject();
    }

    public static Vocabulary Read(string file)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(file));
        var model = json.RootElement.GetProperty("model");
        var ids = model.GetProperty("vocab").EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value.GetInt32());
        List<(int, int)> merges = [];
        foreach (var merge in model.GetProperty("merges").EnumerateArray())
        {
            var parts = merge.GetString()!.Split(' ');
            merges.Add((ids[parts[0]], ids[parts[1]]));
        }
        var vocabulary = new Vocabulary(merges);
        for (var id = 0; id < vocabulary.Count; id++)
        {
            if (!ids.TryGetValue(vocabulary.Written(id), out var written) || written != id)
            {
                throw new InvalidDataException($"{file}: token '{vocabulary.Written(id)}' should have id {id}, has {written}");
            }
        }
        return vocabulary;
    }

    private static void WriteAddedTokens(Utf8JsonWriter json)
    {
        json.WriteStartArray("added_tokens");
        json.WriteStartObject();
        json.WriteNumber("id", Vocabulary.EndOfText);
        json.WriteString("content", Vocabulary.EndOfTextToken);
        foreach (var option in (string[])["single_word", "lstrip", "rstrip", "normalized"])
        {
            json.WriteBoolean(option, false);
        }
        json.WriteBoolean("special", true);
        json.WriteEndObject();
        json.WriteEndArray();
    }

    private static void WritePreTokenizer(Utf8JsonWriter json)
    {
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        json.WriteStartObject();
        json.WriteString("type", "Split");
        json.WriteStartObject("pattern");
        json.WriteString("Regex", Vocabulary.Pattern);
        json.WriteEndObject();
        json.WriteString("behavior", "Isolated");
        json.WriteBoolean("invert", false);
        json.WriteEndObject();
        json.WriteStartObject();
        WriteByteLevel(json);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json)
    {
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", false);
        json.WriteBoolean("use_regex", false);
    }

    private static void WriteModel(Utf8JsonWriter json, Vocabulary vocabulary)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        foreach (var absent in (string[])["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"])
        {
            json.WriteNull(absent);
        }
        foreach (var option in (string[])["fuse_unk", "byte_fallback", "ignore_merges"])
        {
            json.WriteBoolean(option, false);
        }
        json.WriteStartObject("vocab");
        for (var id = 0; id < vocabulary.Count; id++)
        {
            json.WriteNumber(vocabulary.Written(id), id);
        }
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach (var (left, right) in vocabulary.Merges)
        {
            json.WriteStringValue($"{vocabulary.Written(left)} {vocabulary.Written(right)}");
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
