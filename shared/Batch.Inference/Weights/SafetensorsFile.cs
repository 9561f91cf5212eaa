using System.IO.MemoryMappedFiles;
using System.Text.Json;

namespace Batch.Inference.Weights;

/// <summary>Where a tensor lies in a safetensors file.</summary>
/// <param name="DType">The format's name: F32, F16, BF16, …</param>
/// <param name="Shape">Row-major dimensions.</param>
/// <param name="Offset">First byte, counted from the start of the file.</param>
/// <param name="Length">Bytes.</param>
internal sealed record TensorEntry(string Name, string DType, long[] Shape, long Offset, long Length);

/// <summary>
/// A safetensors file mapped into memory: 8 bytes little-endian header length, a JSON header, then the data
/// (https://huggingface.co/docs/safetensors). The header is checked whole before anything is read from the data.
/// </summary>
internal sealed unsafe class SafetensorsFile : IDisposable
{
    private const long MaxHeaderLength = 100_000_000;
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _start;

    private SafetensorsFile(string path, MemoryMappedFile file, MemoryMappedViewAccessor view, byte* start, long length)
    {
        (Path, _file, _view, Length) = (path, file, view, length);
        _start = start;
        Entries = ReadHeader();
    }

    public string Path { get; }

    public long Length { get; }

    public IReadOnlyDictionary<string, TensorEntry> Entries { get; }

    public static SafetensorsFile Open(string path)
    {
        var length = new FileInfo(path).Length;
        if (length < 10)
        {
            throw new InvalidDataException($"{path}: {length} bytes are too few for a safetensors file");
        }
        var file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        var view = file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        try
        {
            return new SafetensorsFile(path, file, view, start + view.PointerOffset, length);
        }
        catch
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
            view.Dispose();
            file.Dispose();
            throw;
        }
    }

    /// <summary>Bytes of a tensor, straight from the mapped file, from <paramref name="offset"/> on; valid until disposal.</summary>
    public ReadOnlySpan<byte> Bytes(TensorEntry entry, long offset, int length) => new(_start + entry.Offset + offset, length);

    /// <summary>Hands the whole file to <paramref name="consume"/> in pieces.</summary>
    public void ReadAll(Action<ReadOnlySpan<byte>> consume)
    {
        const int Piece = 1 << 24;
        for (long at = 0; at < Length; at += Piece)
        {
            consume(new ReadOnlySpan<byte>(_start + at, (int)Math.Min(Piece, Length - at)));
        }
    }

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }

    /// <summary>Bytes of one element.</summary>
    public static int SizeOf(string dtype) => dtype switch
    {
        "F64" or "I64" or "U64" => 8,
        "F32" or "I32" or "U32" => 4,
        "F16" or "BF16" or "I16" or "U16" => 2,
        "I8" or "U8" or "BOOL" or "F8_E4M3" or "F8_E5M2" => 1,
        _ => 0,
    };

    private Dictionary<string, TensorEntry> ReadHeader()
    {
        var headerLength = *(long*)_start;
        if (headerLength is < 2 or > MaxHeaderLength || 8 + headerLength > Length)
        {
            throw new InvalidDataException($"{Path}: header of {headerLength} bytes does not fit a file of {Length} bytes; the file is truncated or no safetensors file");
        }
        try
        {
            using var header = JsonDocument.Parse(new ReadOnlySpan<byte>(_start + 8, (int)headerLength).ToArray());
            return header.RootElement.EnumerateObject()
                .Where(p => p.Name != "__metadata__")
                .ToDictionary(p => p.Name, p => ReadEntry(p.Name, p.Value, 8 + headerLength));
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or FormatException or InvalidOperationException)
        {
            throw new InvalidDataException($"{Path}: the header is not a safetensors header: {e.Message}", e);
        }
    }

    private TensorEntry ReadEntry(string name, JsonElement value, long dataStart)
    {
        var dtype = value.GetProperty("dtype").GetString()!;
        var shape = value.GetProperty("shape").EnumerateArray().Select(d => d.GetInt64()).ToArray();
        var offsets = value.GetProperty("data_offsets").EnumerateArray().Select(o => o.GetInt64()).ToArray();
        var size = SizeOf(dtype);
        if (size == 0)
        {
            throw new InvalidDataException($"{Path}: tensor '{name}' has unknown dtype '{dtype}'");
        }
        var wanted = shape.Aggregate((long)size, (a, b) => checked(a * b));
        if (offsets.Length != 2 || offsets[0] < 0 || offsets[1] - offsets[0] != wanted)
        {
            throw new InvalidDataException($"{Path}: tensor '{name}' {dtype} [{string.Join(", ", shape)}] needs {wanted} bytes, its offsets are [{string.Join(", ", offsets)}]");
        }
        if (dataStart + offsets[1] > Length)
        {
            throw new InvalidDataException($"{Path}: tensor '{name}' ends at byte {dataStart + offsets[1]}, the file has {Length}: it is truncated");
        }
        return new TensorEntry(name, dtype, shape, dataStart + offsets[0], wanted);
    }
}
