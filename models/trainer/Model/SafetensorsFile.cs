using System.Buffers.Binary;
using System.Text.Json;
using static TorchSharp.torch;

namespace Batch.ModelTrainer.Model;

/// <summary>Writes and reads safetensors files: a length, a JSON header, the bytes of each tensor.</summary>
internal static class SafetensorsFile
{
    /// <summary>Writes beside the file and renames: a crash leaves the old file or the new one.</summary>
    public static void Write(string file, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        var entries = tensors.OrderBy(entry => entry.Key, StringComparer.Ordinal).ToArray();
        var header = Header(entries, metadata);
        var temporary = file + ".new";
        using (var stream = File.Create(temporary))
        {
            Span<byte> length = stackalloc byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
            stream.Write(length);
            stream.Write(header);
            foreach (var (_, tensor) in entries)
            {
                using var contiguous = tensor.detach().contiguous();
                stream.Write(contiguous.bytes);
            }
        }
        File.Move(temporary, file, overwrite: true);
    }

    /// <summary>Reads every tensor; the caller owns them.</summary>
    public static (Dictionary<string, Tensor> Tensors, Dictionary<string, string> Metadata) Read(string file)
    {
        var bytes = File.ReadAllBytes(file);
        var dataAt = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
        using var header = JsonDocument.Parse(bytes.AsMemory(8, dataAt - 8));
        var tensors = new Dictionary<string, Tensor>();
        var metadata = new Dictionary<string, string>();
        foreach (var entry in header.RootElement.EnumerateObject())
        {
            if (entry.Name == "__metadata__")
            {
                metadata = entry.Value.EnumerateObject().ToDictionary(item => item.Name, item => item.Value.GetString()!);
                continue;
            }
            var shape = entry.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()).ToArray();
            var offsets = entry.Value.GetProperty("data_offsets");
            var tensor = empty(shape, Type(entry.Value.GetProperty("dtype").GetString()!)).DetachFromDisposeScope();
            bytes.AsSpan((dataAt + offsets[0].GetInt32())..(dataAt + offsets[1].GetInt32())).CopyTo(tensor.bytes);
            tensors[entry.Name] = tensor;
        }
        return (tensors, metadata);
    }

    private static byte[] Header(KeyValuePair<string, Tensor>[] entries, IReadOnlyDictionary<string, string> metadata)
    {
        var header = new SortedDictionary<string, object>(StringComparer.Ordinal) { ["__metadata__"] = metadata };
        var offset = 0L;
        foreach (var (name, tensor) in entries)
        {
            var end = offset + tensor.numel() * tensor.element_size();
            header[name] = new { dtype = Name(tensor.dtype), shape = tensor.shape, data_offsets = (long[])[offset, end] };
            offset = end;
        }
        var json = JsonSerializer.SerializeToUtf8Bytes(header).ToList();
        while (json.Count % 8 != 0)
        {
            json.Add((byte)' ');
        }
        return [.. json];
    }

    private static string Name(ScalarType type) => type switch
    {
        ScalarType.Float32 => "F32",
        ScalarType.BFloat16 => "BF16",
        _ => throw new NotSupportedException($"{type} is not written"),
    };

    private static ScalarType Type(string name) => name switch
    {
        "F32" => ScalarType.Float32,
        "BF16" => ScalarType.BFloat16,
        _ => throw new NotSupportedException($"dtype {name} is not read"),
    };
}
