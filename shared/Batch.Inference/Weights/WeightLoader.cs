using System.IO.Hashing;
using System.Text.Json;
using static TorchSharp.torch;

namespace Batch.Inference.Weights;

/// <summary>
/// Hands out the tensors of a Hugging Face folder by name, each once, in the wanted dtype on the wanted device. Strict: a missing tensor, an
/// unexpected shape and, at <see cref="EnsureAllUsed"/>, a tensor nobody asked for are errors that name file, tensor and expectation.
/// </summary>
internal class WeightLoader : IDisposable
{
    private readonly List<SafetensorsFile> _files = [];
    private readonly Dictionary<string, (SafetensorsFile File, TensorEntry Entry)> _tensors = [];
    private readonly HashSet<string> _unused = [];
    private readonly string _folder;
    private readonly ScalarType _dtype;
    private readonly Device _device;

    /// <param name="folder">Holds model.safetensors, or model.safetensors.index.json and the shards it names.</param>
    public WeightLoader(string folder, ScalarType dtype, Device device)
    {
        (_folder, _dtype, _device) = (folder, dtype, device);
        try
        {
            foreach (var path in ShardPaths(folder))
            {
                var file = SafetensorsFile.Open(path);
                _files.Add(file);
                foreach (var entry in file.Entries.Values)
                {
                    if (!_tensors.TryAdd(entry.Name, (file, entry)))
                    {
                        throw new InvalidDataException($"{path}: tensor '{entry.Name}' is already in {_tensors[entry.Name].File.Path}");
                    }
                    _unused.Add(entry.Name);
                }
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>For weights that come from elsewhere than files.</summary>
    protected WeightLoader(ScalarType dtype, Device device) => (_folder, _dtype, _device) = ("", dtype, device);

    /// <summary>Number of elements over all tensors handed out.</summary>
    public long Parameters { get; private set; }

    public virtual bool Contains(string name) => _tensors.ContainsKey(name);

    /// <summary>The tensor of that name with exactly that shape, in the loader's dtype on its device. The caller owns it.</summary>
    public virtual Tensor Take(string name, params long[] shape)
    {
        if (!_tensors.TryGetValue(name, out var found))
        {
            throw new InvalidDataException($"{_folder}: tensor '{name}' [{string.Join(", ", shape)}] is missing");
        }
        var (file, entry) = found;
        if (!entry.Shape.AsSpan().SequenceEqual(shape))
        {
            throw new InvalidDataException($"{file.Path}: tensor '{name}' has shape [{string.Join(", ", entry.Shape)}], the config needs [{string.Join(", ", shape)}]");
        }
        _unused.Remove(name);
        Parameters += shape.Aggregate(1L, (a, b) => a * b);
        var stored = Read(file, entry);
        if (stored.dtype == _dtype && stored.device_type == _device.type && stored.device_index == _device.index)
        {
            return stored;
        }
        using (stored)
        {
            return stored.to(_dtype, _device);
        }
    }

    /// <summary>Drops tensors that carry no parameters, such as the causal masks in old GPT-2 files.</summary>
    public void Ignore(Func<string, bool> isBuffer) => _unused.RemoveWhere(name => isBuffer(name));

    /// <summary>Throws when the files hold tensors that the model did not take.</summary>
    public void EnsureAllUsed()
    {
        if (_unused.Count > 0)
        {
            var names = string.Join(", ", _unused.Order().Take(5));
            throw new InvalidDataException($"{_folder}: {_unused.Count} tensors belong to no parameter of this model: {names}{(_unused.Count > 5 ? ", …" : "")}");
        }
    }

    /// <summary>A fingerprint of the weights, XXH128 over the files: the same weights give the same text, whatever the folder is called.</summary>
    public string Fingerprint()
    {
        var hash = new XxHash128();
        foreach (var file in _files)
        {
            file.ReadAll(piece => hash.Append(piece));
        }
        return $"xxh128:{Convert.ToHexStringLower(hash.GetCurrentHash())}";
    }

    public void Dispose()
    {
        _files.ForEach(f => f.Dispose());
        GC.SuppressFinalize(this);
    }

    private static Tensor Read(SafetensorsFile file, TensorEntry entry)
    {
        const long PieceLength = 1 << 28; // a span is shorter than 2 GiB, a tensor may be longer
        var dtype = entry.DType switch
        {
            "F32" => ScalarType.Float32,
            "F16" => ScalarType.Float16,
            "BF16" => ScalarType.BFloat16,
            _ => throw new InvalidDataException($"{file.Path}: tensor '{entry.Name}' is {entry.DType}; F32, F16 and BF16 can be loaded"),
        };
        var result = empty(entry.Shape, dtype);
        using var flat = result.view(-1);
        var size = SafetensorsFile.SizeOf(entry.DType);
        for (long at = 0; at < entry.Length; at += PieceLength)
        {
            var length = Math.Min(PieceLength, entry.Length - at);
            using var piece = flat.narrow(0, at / size, length / size);
            file.Bytes(entry, at, (int)length).CopyTo(piece.bytes);
        }
        return result;
    }

    private static List<string> ShardPaths(string folder)
    {
        var single = Path.Combine(folder, "model.safetensors");
        if (File.Exists(single))
        {
            return [single];
        }
        var index = Path.Combine(folder, "model.safetensors.index.json");
        if (!File.Exists(index))
        {
            throw new FileNotFoundException($"{folder} holds neither model.safetensors nor model.safetensors.index.json", single);
        }
        using var json = JsonDocument.Parse(File.ReadAllBytes(index));
        var shards = json.RootElement.GetProperty("weight_map").EnumerateObject().Select(p => p.Value.GetString()!).Distinct().Order();
        return shards.Select(s => Path.Combine(folder, s)).Select(p => File.Exists(p) ? p : throw new FileNotFoundException($"{index} names {Path.GetFileName(p)}, which is missing", p)).ToList();
    }
}
