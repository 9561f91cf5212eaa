using System.Text;
using System.Text.Json;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Engine;

/// <summary>What a damaged or unusual checkpoint is told to be.</summary>
public class CheckpointTests
{
    private static WeightLoader Load(TestFolder folder, ScalarType dtype = ScalarType.Float32) => new(folder.Path, dtype, CPU);

    private static string Message<T>(TestFolder folder)
        where T : Exception => Assert.ThrowsAny<T>(() => Load(folder).Dispose()).Message;

    // A file of a given header and so many bytes of data.
    private static TestFolder File(string header, int data, string name = "model.safetensors", TestFolder? into = null)
    {
        var folder = into ?? new TestFolder();
        byte[] json = Encoding.UTF8.GetBytes(header);
        System.IO.File.WriteAllBytes(Path.Combine(folder.Path, name), [.. BitConverter.GetBytes((long)json.Length), .. json, .. new byte[data]]);
        return folder;
    }

    private static string Tensor(string name, string dtype, string shape, int from, int to) =>
        $$"""
        "{{name}}":{"dtype":"{{dtype}}","shape":{{shape}},"data_offsets":[{{from}},{{to}}]}
        """;

    [Fact]
    public void Open_SaysWhatIsWrongWithTheHeader()
    {
        using var overlap = File($"{{{Tensor("a", "F32", "[2]", 0, 8)},{Tensor("b", "F32", "[2]", 4, 12)}}}", 12);
        using var gap = File($"{{{Tensor("a", "F32", "[2]", 0, 8)},{Tensor("b", "F32", "[1]", 12, 16)}}}", 16);
        using var size = File($"{{{Tensor("a", "F16", "[2]", 0, 8)}}}", 8);
        using var negative = File($"{{{Tensor("a", "F32", "[-2, -1]", 0, 8)}}}", 8);
        using var overflowing = File($"{{{Tensor("a", "F32", "[4611686018427387904, 4]", 0, 8)}}}", 8);
        using var unknown = File($"{{{Tensor("a", "F4", "[2]", 0, 8)}}}", 8);
        using var truncated = File($"{{{Tensor("a", "F32", "[2]", 0, 8)}}}", 7);
        using var longer = File($"{{{Tensor("a", "F32", "[2]", 0, 8)}}}", 9);
        using var twice = File($"{{{Tensor("a", "F32", "[1]", 0, 4)},{Tensor("a", "F32", "[1]", 4, 8)}}}", 8);
        using var beyond = new TestFolder();
        System.IO.File.WriteAllBytes(Path.Combine(beyond.Path, "model.safetensors"), [.. BitConverter.GetBytes(1_000_000L), .. "{}"u8]);
        using var short_ = new TestFolder().With("model.safetensors", "abc");

        Assert.Contains("tensor 'b' starts at byte ", Message<InvalidDataException>(overlap), StringComparison.Ordinal);
        Assert.Contains("within 'a', which ends at", Message<InvalidDataException>(overlap), StringComparison.Ordinal);
        Assert.Contains("not right after 'a'", Message<InvalidDataException>(gap), StringComparison.Ordinal);
        Assert.Contains("tensor 'a' F16 [2] needs 4 bytes, its offsets are [0, 8]", Message<InvalidDataException>(size), StringComparison.Ordinal);
        Assert.Contains("tensor 'a' F32 [-2, -1]", Message<InvalidDataException>(negative), StringComparison.Ordinal);
        Assert.Contains("not a safetensors header", Message<InvalidDataException>(overflowing), StringComparison.Ordinal);
        Assert.Contains("tensor 'a' has unknown dtype 'F4'", Message<InvalidDataException>(unknown), StringComparison.Ordinal);
        Assert.Contains("it is truncated", Message<InvalidDataException>(truncated), StringComparison.Ordinal);
        Assert.Contains("the last tensor, 'a', ends at byte", Message<InvalidDataException>(longer), StringComparison.Ordinal);
        Assert.Contains("names tensor 'a' twice", Message<InvalidDataException>(twice), StringComparison.Ordinal);
        Assert.Contains("header of 1000000 bytes does not fit a file of 10 bytes", Message<InvalidDataException>(beyond), StringComparison.Ordinal);
        Assert.Contains("3 bytes are too few", Message<InvalidDataException>(short_), StringComparison.Ordinal);
    }

    [Fact]
    public void Open_NamesTheShard_WhenIndexAndShardsDisagree()
    {
        static TestFolder Shards(params (string Tensor, string Shard)[] map)
        {
            var folder = File($"{{{Tensor("a", "F32", "[2]", 0, 8)}}}", 8, "one.safetensors");
            File($"{{{Tensor("b", "F32", "[2]", 0, 8)}}}", 8, "two.safetensors", folder);
            return folder.With("model.safetensors.index.json", JsonSerializer.Serialize(new { weight_map = map.ToDictionary(m => m.Tensor, m => m.Shard) }));
        }

        using var right = Shards(("a", "one.safetensors"), ("b", "two.safetensors"));
        using var missing = Shards(("a", "one.safetensors"), ("b", "three.safetensors"));
        using var without = Shards(("a", "one.safetensors"), ("b", "two.safetensors"), ("c", "two.safetensors"));
        using var swapped = Shards(("a", "two.safetensors"), ("b", "one.safetensors"));
        using var outside = Shards(("a", "../one.safetensors"), ("b", "two.safetensors"));
        using var truncated = Shards(("a", "one.safetensors"), ("b", "two.safetensors"));
        var two = Path.Combine(truncated.Path, "two.safetensors");
        System.IO.File.WriteAllBytes(two, System.IO.File.ReadAllBytes(two)[..^3]);
        using var noMap = Shards().With("model.safetensors.index.json", "{}");

        using (var weights = Load(right))
        {
            Assert.True(weights.Contains("a") && weights.Contains("b"));
        }
        Assert.Contains("names three.safetensors, which is missing", Message<FileNotFoundException>(missing), StringComparison.Ordinal);
        Assert.Contains("tensor 'c' is in two.safetensors, which does not hold it", Message<InvalidDataException>(without), StringComparison.Ordinal);
        Assert.Contains("tensor 'a' is in two.safetensors, it is in one.safetensors", Message<InvalidDataException>(swapped), StringComparison.Ordinal);
        Assert.Contains("a shard must lie in the folder itself", Message<InvalidDataException>(outside), StringComparison.Ordinal);
        Assert.Contains("two.safetensors: tensor 'b' ends at byte", Message<InvalidDataException>(truncated), StringComparison.Ordinal);
        Assert.Contains("no index with a weight_map", Message<InvalidDataException>(noMap), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("F64", ScalarType.Float64)]
    [InlineData("F32", ScalarType.Float32)]
    [InlineData("F16", ScalarType.Float16)]
    [InlineData("BF16", ScalarType.BFloat16)]
    public void Take_ConvertsAsTheFrameworkDoes_FromEveryDType(string dtype, ScalarType stored)
    {
        using var scope = NewDisposeScope();
        using var folder = new TestFolder();
        var tensor = randn(300, 70).to(stored);
        Safetensors.Write(Path.Combine(folder.Path, "model.safetensors"), new Dictionary<string, Tensor> { ["a"] = tensor }, dtype);
        foreach (var wanted in new[] { ScalarType.Float32, ScalarType.BFloat16 })
        {
            using var weights = Load(folder, wanted);
            Assert.True(tensor.to(wanted).equal(weights.Take("a", 300, 70)).all().item<bool>());
        }
    }

    [Theory]
    [InlineData("I8")]
    [InlineData("F8_E4M3")]
    public void Take_RefusesOtherDTypes_ByName(string dtype)
    {
        using var folder = File($"{{{Tensor("a", dtype, "[4]", 0, 4)}}}", 4);
        using var weights = Load(folder);
        var message = Assert.Throws<NotSupportedException>(() => weights.Take("a", 4)).Message;
        Assert.Contains($"tensor 'a' is {dtype}; F64, F32, F16 and BF16 can be loaded", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fingerprint_IsOfTheWeights_NotOfTheFiles()
    {
        using var one = TinyModel.Create("llama");
        using var three = TinyModel.Create("llama", shards: 3);
        using var other = TinyModel.Create("llama", "BF16");
        string Identity(TinyModel folder)
        {
            var model = folder.Load();
            model.Runner.Dispose();
            return model.Info.Identity;
        }

        Assert.Equal(Identity(one), Identity(three));
        Assert.NotEqual(Identity(one), Identity(other));
    }
}

/// <summary>Alone in the process: it measures it.</summary>
[Collection(nameof(Alone))]
public class LoadingMemoryTests
{
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void Take_NeedsLittleMoreMemoryThanTheWeights(ScalarType dtype)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "reads /proc");
        using var folder = new TestFolder();
        Write(folder, tensors: 4, megabytes: 40, shards: 2);
        var weights = 160L << 20 >> (dtype == ScalarType.Float32 ? 0 : 1);
        using (var warm = new WeightLoader(folder.Path, dtype, CPU))
        using (warm.Take("t0", 10, 1 << 20))
        {
        }
        System.IO.File.WriteAllText("/proc/self/clear_refs", "5"); // the peak starts anew
        var before = Status("VmRSS");

        using var scope = NewDisposeScope();
        using var loader = new WeightLoader(folder.Path, dtype, CPU);
        var loaded = Enumerable.Range(0, 4).Select(i => loader.Take($"t{i}", 10, 1 << 20)).ToList();

        Assert.InRange(Status("VmHWM") - before, weights / 2, weights * 11 / 10 + (24 << 20)); // a piece and its like
        Assert.Equal(4, loaded.Count);
    }

    private static void Write(TestFolder folder, int tensors, int megabytes, int shards)
    {
        var map = new Dictionary<string, string>();
        for (var shard = 0; shard < shards; shard++)
        {
            var name = $"model-{shard}.safetensors";
            using var scope = NewDisposeScope();
            var part = Enumerable.Range(0, tensors).Where(i => i % shards == shard).ToDictionary(i => $"t{i}", i => full([megabytes / 4, 1 << 20], i + 0.5f));
            Safetensors.Write(Path.Combine(folder.Path, name), part, "F32");
            part.Keys.ToList().ForEach(k => map[k] = name);
        }
        folder.With("model.safetensors.index.json", JsonSerializer.Serialize(new { weight_map = map }));
    }

    private static long Status(string field) =>
        long.Parse(System.IO.File.ReadLines("/proc/self/status").Single(l => l.StartsWith(field, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], null) << 10;
}
