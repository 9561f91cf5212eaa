using System.IO.Hashing;
using System.Text;
using Batch.Inference.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Batch.Inference.Weights;

/// <summary>
/// Hands out the tensors of a Hugging Face folder by name, each once, in the wanted dtype on the wanted device. Strict: a missing tensor, an
/// unexpected shape and, at <see cref="EnsureAllUsed"/>, a tensor nobody asked for are errors that name file, tensor and expectation.
/// </summary>
internal class WeightLoader : IDisposable
{
    private const long PieceLength = 1 << 24;
    private readonly List<SafetensorsFile> _files = [];
    private readonly Dictionary<string, (SafetensorsFile File, TensorEntry Entry)> _tensors = [];
    private readonly HashSet<string> _unused = [];
    private readonly string _folder;
    private readonly ScalarType _dtype;
    private readonly SortedDictionary<string, UInt128> _hashes = new(StringComparer.Ordinal); // of the tensors handed out
    private readonly Dictionary<SafetensorsFile, Queue<TensorEntry>> _toCome = []; // of the files that are read in order
    private readonly Dictionary<string, Tensor> _ahead = []; // read before they were asked for
    private readonly IProgress<LoadProgress>? _progress;
    private readonly long _bytes;
    private long _bytesRead;
    private Tensor? _buffer; // of one piece; a new one for each tensor would leave holes in the heap

    /// <param name="folder">Holds model.safetensors, or model.safetensors.index.json and the shards it names.</param>
    /// <param name="progress">Hears of every few megabytes, on the loading thread.</param>
    public WeightLoader(string folder, ScalarType dtype, Device device, IProgress<LoadProgress>? progress = null)
        : this(folder, dtype, [new DeviceRoom(device, 1)], false, progress: progress)
    {
    }

    /// <param name="devices">Where the tensors go: layer after layer, to each device in proportion to what it has free.</param>
    /// <param name="int8">Matrices are to be rounded to 8 bits by the layers that take them.</param>
    /// <param name="files">Where the weights lie when not in the folder.</param>
    public WeightLoader(string folder, ScalarType dtype, IReadOnlyList<DeviceRoom> devices, bool int8, IWeightFiles? files = null, IProgress<LoadProgress>? progress = null)
    {
        (_folder, _dtype, _progress, RoundsToInt8) = (folder, dtype, progress, int8);
        try
        {
            _tensors = ShardIndex.Open(folder, _files, files);
            _unused = [.. _tensors.Keys];
            _bytes = _tensors.Values.Sum(t => t.Entry.Length);
            foreach (var file in _files.Where(file => file.InOrder))
            {
                _toCome[file] = new(file.Entries.Values.OrderBy(entry => entry.Offset).ThenBy(entry => entry.Length));
            }
            Placement = LayerPlacement.Spread(devices, _tensors.ToDictionary(t => t.Key, t => t.Value.Entry.Length));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>For weights that come from elsewhere than files.</summary>
    protected WeightLoader(ScalarType dtype, Device device) => (_folder, _dtype, Placement) = ("", dtype, LayerPlacement.On(device));

    /// <summary>Number of elements over all tensors handed out.</summary>
    public long Parameters { get; private set; }

    /// <summary>Which device each tensor is handed out on.</summary>
    public LayerPlacement Placement { get; } = null!;

    /// <summary>Matrices are to be rounded by the layers that take them.</summary>
    public bool RoundsToInt8 { get; }

    public virtual bool Contains(string name) => _tensors.ContainsKey(name);

    /// <summary>The tensor of that name with exactly that shape, in the loader's dtype on the device of its layer. The caller owns it.</summary>
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
        return file.InOrder ? ReadInOrder(file, entry) : Read(file, entry);
    }

    /// <summary>Drops tensors that carry no parameters, such as the causal masks in old GPT-2 files.</summary>
    public void Ignore(Func<string, bool> isBuffer) => _unused.RemoveWhere(name => isBuffer(name));

    /// <summary>Throws when the files hold tensors that the model did not take, and when a file that is read in order has not the hash it should.</summary>
    public void EnsureAllUsed()
    {
        if (_unused.Count > 0)
        {
            var names = string.Join(", ", _unused.Order().Take(5));
            throw new InvalidDataException($"{_folder}: {_unused.Count} tensors belong to no parameter of this model: {names}{(_unused.Count > 5 ? ", …" : "")}");
        }
        foreach (var (file, toCome) in _toCome)
        {
            while (toCome.TryDequeue(out var entry))
            {
                Pass(file, entry);
            }
        }
        DropAhead();
    }

    /// <summary>
    /// A fingerprint of the tensors handed out, XXH128 of their names, dtypes, shapes and bytes as stored: the same weights give the same text, whatever the
    /// folder is called and however they are cut into files. Rounded ones are others.
    /// </summary>
    public string Fingerprint()
    {
        var hash = new XxHash128();
        foreach (var (name, of) in _hashes)
        {
            hash.Append(Encoding.UTF8.GetBytes($"{name} {of:x32}\n"));
        }
        return $"xxh128:{Convert.ToHexStringLower(hash.GetCurrentHash())}{(RoundsToInt8 ? "+int8" : "")}";
    }

    public void Dispose()
    {
        _files.ForEach(f => f.Dispose());
        DropAhead();
        _buffer?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A tensor of the files, of a name and shape that were asked for.</summary>
    // Piece by piece, so that converting takes no second copy of a tensor; hashed on the way.
    protected virtual Tensor Read(SafetensorsFile file, TensorEntry entry)
    {
        var stored = TypeOf(entry.DType) ?? throw new NotSupportedException($"{file.Path}: tensor '{entry.Name}' is {entry.DType}; F64, F32, F16 and BF16 can be loaded");
        var hash = new XxHash128();
        hash.Append(Encoding.UTF8.GetBytes($"{entry.DType} [{string.Join(", ", entry.Shape)}]\n"));
        var device = Placement.Of(entry.Name);
        var result = WeightMemory.Empty(entry.Shape, _dtype, device);
        using var flat = result.view(-1);
        var size = SafetensorsFile.SizeOf(entry.DType);
        var direct = stored == _dtype && device.type == DeviceType.CPU;
        for (long at = 0; at < entry.Length; at += PieceLength)
        {
            var count = Math.Min(PieceLength, entry.Length - at) / size;
            using var target = flat.narrow(0, at / size, count);
            using var piece = direct ? target.alias() : Buffer(stored).narrow(0, 0, count);
            var bytes = piece.bytes;
            file.Read(entry, at, bytes);
            hash.Append(bytes);
            if (!direct)
            {
                target.copy_(piece);
            }
            _bytesRead += bytes.Length;
            _progress?.Report(new LoadProgress(_bytesRead, _bytes));
        }
        _hashes[entry.Name] = hash.GetCurrentHashAsUInt128();
        return result;
    }

    // Of those that can be loaded.
    private static ScalarType? TypeOf(string dtype) => dtype switch
    {
        "F64" => ScalarType.Float64,
        "F32" => ScalarType.Float32,
        "F16" => ScalarType.Float16,
        "BF16" => ScalarType.BFloat16,
        _ => null,
    };

    // What lies before it in its file, and is wanted, waits on its own device until it is asked for.
    private Tensor ReadInOrder(SafetensorsFile file, TensorEntry entry)
    {
        while (!_ahead.ContainsKey(entry.Name) && _toCome[file].TryDequeue(out var next) && next.Name != entry.Name)
        {
            if (_unused.Contains(next.Name) && TypeOf(next.DType) is not null)
            {
                _ahead.Add(next.Name, Read(file, next).DetachFromDisposeScope());
            }
            else
            {
                Pass(file, next);
            }
        }
        if (!_ahead.Remove(entry.Name, out var ahead))
        {
            return Read(file, entry);
        }
        using (ahead)
        {
            return ahead.alias(); // in the caller's scope
        }
    }

    // Reads what nobody wants, for its file's hash.
    private void Pass(SafetensorsFile file, TensorEntry entry)
    {
        for (long at = 0; at < entry.Length; at += PieceLength)
        {
            using var piece = Buffer(ScalarType.Byte).narrow(0, 0, Math.Min(PieceLength, entry.Length - at));
            file.Read(entry, at, piece.bytes);
        }
    }

    private void DropAhead()
    {
        foreach (var (name, tensor) in _ahead)
        {
            _hashes.Remove(name);
            tensor.Dispose();
        }
        _ahead.Clear();
    }

    private Tensor Buffer(ScalarType dtype)
    {
        if (_buffer?.dtype != dtype)
        {
            _buffer?.Dispose();
            _buffer = empty([PieceLength / dtype.ElementSize()], dtype).DetachFromDisposeScope();
        }
        return _buffer;
    }
}
