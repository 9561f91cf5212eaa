using Batch.Inference.Engine;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Engine;

/// <summary>Weights that have to be read once, from the first byte to the last, give the model that they give in any order.</summary>
public class OrderedWeightsTests
{
    public static TheoryData<string, int> Models => [.. TinyModel.Families.SelectMany(family => new[] { (family, 1), (family, 3) })];

    [Theory]
    [MemberData(nameof(Models))]
    public void Load_ReadsEachFileFromItsFirstByteToItsLast(string family, int shards)
    {
        // In an order in which no model takes them.
        using var tiny = TinyModel.Create(family, shards: shards, tensors: tensors =>
        {
            var sorted = tensors.OrderByDescending(tensor => tensor.Key, StringComparer.Ordinal).ToList();
            tensors.Clear();
            sorted.ForEach(tensor => tensors.Add(tensor.Key, tensor.Value));
        });
        var files = new Ordered(tiny.Path);

        var (expected, seen) = (tiny.Load(), ModelLoader.Load(new EngineOptions { ModelPath = tiny.Path, Device = "cpu", Threads = 1 }.At(tiny.Path, files), new CharacterTokenizer(TinyModel.Vocabulary)));

        Assert.Equal(expected.Info.Identity, seen.Info.Identity);
        Assert.Equal(EngineRuns.LastLogits(expected, [1, 2, 3]), EngineRuns.LastLogits(seen, [1, 2, 3]));
        Assert.Equal(shards, files.Whole);
        expected.Runner.Dispose();
        seen.Runner.Dispose();
    }

    [Fact]
    public void Load_ReadsWhatNobodyWantsToo()
    {
        using var tiny = TinyModel.Create("gpt2", tensors: tensors => (tensors["transformer.h.0.attn.bias"], tensors["transformer.h.9.attn.bias"]) = ([3], [1]));
        var files = new Ordered(tiny.Path);

        ModelLoader.Load(new EngineOptions { ModelPath = tiny.Path, Device = "cpu", Threads = 1 }.At(tiny.Path, files), new CharacterTokenizer(TinyModel.Vocabulary)).Runner.Dispose();

        Assert.Equal(1, files.Whole);
    }

    [Fact]
    public void Take_RefusesATypeItCannotLoad_InOrderToo()
    {
        using var folder = new TestFolder();
        byte[] header = [.. """{"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"""u8];
        File.WriteAllBytes(Path.Combine(folder.Path, "model.safetensors"), [.. BitConverter.GetBytes((long)header.Length), .. header, .. new byte[8]]);
        using var weights = new WeightLoader(folder.Path, ScalarType.Float32, [new DeviceRoom(CPU, 1)], int8: false, new Ordered(folder.Path));

        weights.Take("b", 1).Dispose();

        Assert.Contains("tensor 'a' is I8", Assert.Throws<NotSupportedException>(() => weights.Take("a", 4)).Message, StringComparison.Ordinal);
    }

    private sealed class Ordered(string folder) : IWeightFiles
    {
        public int Whole { get; private set; }

        public bool Contains(string name) => File.Exists(Path.Combine(folder, name));

        public IWeightFile Open(string name) => new OrderedFile(new LocalWeightFile(Path.Combine(folder, name)), () => Whole++);
    }

    private sealed class OrderedFile(LocalWeightFile file, Action whole) : IWeightFile
    {
        private long _at;

        public string Path => file.Path;

        public long Length => file.Length;

        public bool InOrder => true;

        public int Read(long at, Span<byte> target)
        {
            Assert.Equal(_at, at);
            _at += target.Length;
            if (_at == Length)
            {
                whole();
            }

            return file.Read(at, target);
        }

        public void Dispose() => file.Dispose();
    }
}
