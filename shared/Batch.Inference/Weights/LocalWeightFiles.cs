using Microsoft.Win32.SafeHandles;

namespace Batch.Inference.Weights;

/// <summary>Files of weights in a folder on this machine.</summary>
internal sealed class LocalWeightFiles(string folder) : IWeightFiles
{
    public bool Contains(string name) => File.Exists(Path.Combine(folder, name));

    public IWeightFile Open(string name) => new LocalWeightFile(Path.Combine(folder, name));
}

/// <summary>Read where it lies: a mapped file would count as memory of its own.</summary>
internal sealed class LocalWeightFile : IWeightFile
{
    private readonly SafeFileHandle _file;

    public LocalWeightFile(string path)
    {
        (Path, _file) = (path, File.OpenHandle(path, options: FileOptions.SequentialScan));
        Length = RandomAccess.GetLength(_file);
    }

    public string Path { get; }

    public long Length { get; }

    public bool InOrder => false;

    public int Read(long at, Span<byte> target) => RandomAccess.Read(_file, target, at);

    public void Dispose() => _file.Dispose();
}
