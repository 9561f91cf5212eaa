using System.Text;
using static TorchSharp.torch;

namespace Batch.Benchmarks.LlamaCpp;

/// <summary>A GGUF file, version 3 (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): header, metadata, tensor table, aligned data.</summary>
internal sealed class GgufWriter
{
    private const int Alignment = 32;
    private readonly List<(string Key, object Value)> _metadata = [];
    private readonly List<(string Name, Tensor Data)> _tensors = [];

    /// <param name="value">uint, float, bool, string, bool[]</param>
    public void AddMetadata(string key, object value) => _metadata.Add((key, value));

    /// <param name="data">float32, float16 or bfloat16 on the CPU; kept until <see cref="Write"/>.</param>
    public void AddTensor(string name, Tensor data) => _tensors.Add((name, data.contiguous()));

    public void Write(string path)
    {
        using var file = new BinaryWriter(File.Create(path));
        file.Write("GGUF"u8);
        file.Write(3u);
        file.Write((ulong)_tensors.Count);
        file.Write((ulong)_metadata.Count);
        foreach (var (key, value) in _metadata)
        {
            WriteText(file, key);
            WriteValue(file, value);
        }
        var offset = 0L;
        foreach (var (name, data) in _tensors)
        {
            WriteText(file, name);
            file.Write((uint)data.shape.Length);
            foreach (var size in data.shape.Reverse()) // the fastest dimension first
            {
                file.Write((ulong)size);
            }
            file.Write(data.dtype switch { ScalarType.Float32 => 0u, ScalarType.Float16 => 1u, ScalarType.BFloat16 => 30u, _ => throw new ArgumentException($"{name} is {data.dtype}") });
            file.Write((ulong)offset);
            offset = Aligned(offset + data.numel() * data.element_size());
        }
        foreach (var (_, data) in _tensors)
        {
            Pad(file);
            WriteData(file, data);
        }
        Pad(file);
    }

    private static void WriteText(BinaryWriter file, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        file.Write((ulong)bytes.Length);
        file.Write(bytes);
    }

    private static void WriteValue(BinaryWriter file, object value)
    {
        switch (value)
        {
            case uint number:
                file.Write(4u);
                file.Write(number);
                break;
            case float number:
                file.Write(6u);
                file.Write(number);
                break;
            case bool flag:
                file.Write(7u);
                file.Write(flag);
                break;
            case string text:
                file.Write(8u);
                WriteText(file, text);
                break;
            case bool[] flags:
                file.Write(9u);
                file.Write(7u);
                file.Write((ulong)flags.Length);
                Array.ForEach(flags, file.Write);
                break;
            default:
                throw new ArgumentException($"{value.GetType()} is no GGUF metadata written here");
        }
    }

    private static void WriteData(BinaryWriter file, Tensor data)
    {
        const long Piece = 1 << 28; // a span is shorter than 2 GiB, a tensor may be longer
        using var flat = data.view(-1);
        for (long at = 0; at < data.numel(); at += Piece)
        {
            using var piece = flat.narrow(0, at, Math.Min(Piece, data.numel() - at));
            file.Write(piece.bytes);
        }
    }

    private static long Aligned(long offset) => (offset + Alignment - 1) / Alignment * Alignment;

    private static void Pad(BinaryWriter file) => file.Write(new byte[Aligned(file.BaseStream.Position) - file.BaseStream.Position]);
}
