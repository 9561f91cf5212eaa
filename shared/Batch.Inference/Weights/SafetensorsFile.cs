using System.Text.Json;

namespace Batch.Inference.Weights;

/// <summary>Where a tensor lies in a safetensors file.</summary>
/// <param name="DType">The format's name: F32, F16, BF16, …</param>
/// <param name="Shape">Row-major dimensions.</param>
/// <param name="Offset">First byte, counted from the start of the file.</param>
/// <param name="Length">Bytes.</param>
internal sealed record TensorEntry(string Name, string DType, long[] Shape, long Offset, long Length);

/// <summary>
/// A safetensors file: 8 bytes little-endian header length, a JSON header, then the tensors' data without gaps or overlap
/// (https://huggingface.co/docs/safetensors). The header is checked whole before anything of the data is read.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    private const long MaxHeaderLength = 100_000_000;
    private readonly IWeightFile _file;

    private SafetensorsFile(IWeightFile file)
    {
        _file = file;
        Entries = ReadHeader();
    }

    public string Path => _file.Path;

    /// <inheritdoc cref="IWeightFile.InOrder"/>
    public bool InOrder => _file.InOrder;

    public IReadOnlyDictionary<string, TensorEntry> Entries { get; }

    public static SafetensorsFile Open(string path) => Open(new LocalWeightFile(path));

    /// <summary>Owns the file from now on.</summary>
    public static SafetensorsFile Open(IWeightFile file)
    {
        try
        {
            return new SafetensorsFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Fills <paramref name="target"/> with a tensor's bytes from <paramref name="offset"/> on.</summary>
    public void Read(TensorEntry entry, long offset, Span<byte> target)
    {
        var at = entry.Offset + offset;
        while (target.Length > 0)
        {
            var read = _file.Read(at, target);
            if (read == 0)
            {
                throw new InvalidDataException($"{Path}: ends at byte {at} within tensor '{entry.Name}', it had {_file.Length} bytes when it was opened: it was cut while it was read");
            }
            target = target[read..];
            at += read;
        }
    }

    public void Dispose() => _file.Dispose();

    /// <summary>Bytes of one element; 0 for what the format does not know.</summary>
    public static int SizeOf(string dtype) => dtype switch
    {
        "F64" or "I64" or "U64" or "C64" => 8,
        "F32" or "I32" or "U32" => 4,
        "F16" or "BF16" or "I16" or "U16" => 2,
        "I8" or "U8" or "BOOL" or "F8_E4M3" or "F8_E5M2" or "F8_E8M0" => 1,
        _ => 0,
    };

    private Dictionary<string, TensorEntry> ReadHeader()
    {
        var start = new byte[8];
        var headerLength = _file.Read(0, start) == 8 ? BitConverter.ToInt64(start) : throw new InvalidDataException($"{Path}: {_file.Length} bytes are too few for a safetensors file");
        if (headerLength is < 2 or > MaxHeaderLength || 8 + headerLength > _file.Length)
        {
            throw new InvalidDataException($"{Path}: header of {headerLength} bytes does not fit a file of {_file.Length} bytes; the file is truncated or no safetensors file");
        }
        var json = new byte[headerLength];
        Read(new TensorEntry("header", "U8", [headerLength], 8, headerLength), 0, json);
        try
        {
            using var header = JsonText.Parse(json);
            var entries = new Dictionary<string, TensorEntry>();
            foreach (var field in header.RootElement.EnumerateObject().Where(p => p.Name != "__metadata__"))
            {
                if (!entries.TryAdd(field.Name, ReadEntry(field.Name, field.Value, 8 + headerLength)))
                {
                    throw new InvalidDataException($"{Path}: the header names tensor '{field.Name}' twice");
                }
            }
            EnsureWhole(entries.Values, 8 + headerLength);
            return entries;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or FormatException or InvalidOperationException or OverflowException)
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
        var wanted = shape.Any(d => d < 0) ? -1 : shape.Aggregate((long)size, (a, b) => checked(a * b));
        if (wanted < 0 || offsets.Length != 2 || offsets[0] < 0 || offsets[1] - offsets[0] != wanted)
        {
            throw new InvalidDataException($"{Path}: tensor '{name}' {dtype} [{string.Join(", ", shape)}] needs {wanted} bytes, its offsets are [{string.Join(", ", offsets)}]");
        }
        if (dataStart + offsets[1] > _file.Length)
        {
            throw new InvalidDataException($"{Path}: tensor '{name}' ends at byte {dataStart + offsets[1]}, the file has {_file.Length}: it is truncated");
        }
        return new TensorEntry(name, dtype, shape, dataStart + offsets[0], wanted);
    }

    // The format asks for data without holes: an overlap or a gap is a sign of a damaged header.
    private void EnsureWhole(IEnumerable<TensorEntry> entries, long dataStart)
    {
        var (end, before) = (dataStart, "the header");
        foreach (var entry in entries.OrderBy(e => e.Offset).ThenBy(e => e.Length))
        {
            if (entry.Offset != end)
            {
                throw new InvalidDataException(
                    $"{Path}: tensor '{entry.Name}' starts at byte {entry.Offset}, {(entry.Offset < end ? "within" : "not right after")} '{before}', which ends at {end}");
            }
            (end, before) = (entry.Offset + entry.Length, entry.Name);
        }
        if (end != _file.Length)
        {
            throw new InvalidDataException($"{Path}: the last tensor, '{before}', ends at byte {end}, the file has {_file.Length}: the header belongs to another file");
        }
    }
}
