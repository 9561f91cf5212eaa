using System.Text.Json;
using System.Text.Json.Nodes;
using Batch.Benchmarks.References;
using Batch.Inference.Models;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Models;

public sealed class BertTests
{
    private static readonly Reference HiddenStates = Reference.Load(Path.Combine(AppContext.BaseDirectory, "References", "HiddenStates", "bert.json"));

    [Fact]
    public void Forward_GivesTheHiddenStatesOfTheReference()
    {
        // llama.cpp's GELU is the tanh form out of a float16 table; BERT's is exact.
        const float Tolerance = 1e-3f;
        var hidden = Run(HiddenStates.Config.GetRawText(), HiddenStates.Prompt).Hidden;
        var largest = HiddenStates.Logits.SelectMany(row => row).Max(Math.Abs);

        var worst = HiddenStates.Logits.SelectMany(row => row).Zip(hidden, (expected, actual) => Math.Abs(expected - actual)).Max();

        TestContext.Current.TestOutputHelper?.WriteLine($"differs by {worst / largest:0.0e0} of the largest value {largest:0.0}");
        Assert.InRange(worst / largest, 0, Tolerance);
    }

    [Fact]
    public void ForwardAndHead_GiveWhatDoublePrecisionGives()
    {
        var (hidden, logits) = Run(HiddenStates.Config.GetRawText(), HiddenStates.Prompt);
        var exact = new DoubleBert(HiddenStates.Config, HiddenStates.Seed);

        var expectedHidden = exact.Forward(HiddenStates.Prompt);
        var expectedLogits = exact.Head(expectedHidden);

        Assert.InRange(Worst(expectedHidden, hidden), 0, 2e-6);
        Assert.InRange(Worst(expectedLogits, logits), 0, 5e-6);
    }

    [Fact]
    public void Forward_OfASequence_DoesNotDependOnItsNeighbours()
    {
        using var model = Load(HiddenStates.Config.GetRawText(), out var folder);
        using var files = folder;
        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        var alone = model.Forward(tensor([3L, 5, 7, 9]), tensor([0L, 1, 2, 3]), [4]).data<float>().ToArray();

        var beside = model.Forward(tensor([1L, 2, 3, 5, 7, 9, 8, 8]), tensor([0L, 1, 0, 1, 2, 3, 0, 1]), [2, 4, 2]).narrow(0, 2, 4).contiguous().data<float>().ToArray();

        Assert.Equal(alone, beside);
    }

    [Fact]
    public void Load_TakesTheNamesOfOldCheckpoints_AndLeavesWhatOnlyPretrainingUsed()
    {
        var (hidden, logits) = Run(HiddenStates.Config.GetRawText(), HiddenStates.Prompt);

        var old = Run(HiddenStates.Config.GetRawText(), HiddenStates.Prompt, tensors =>
        {
            foreach (var name in tensors.Keys.Where(name => name.Contains("LayerNorm", StringComparison.Ordinal)).ToList())
            {
                tensors[name.Replace("LayerNorm.weight", "LayerNorm.gamma", StringComparison.Ordinal).Replace("LayerNorm.bias", "LayerNorm.beta", StringComparison.Ordinal)] = tensors[name];
                tensors.Remove(name);
            }
            tensors["bert.pooler.dense.weight"] = zeros(32, 32);
            tensors["cls.seq_relationship.weight"] = zeros(2, 32);
            tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"];
        });

        Assert.Equal(hidden, old.Hidden);
        Assert.Equal(logits, old.Logits);
    }

    [Theory]
    [InlineData("hidden_act", "\"relu\"", "hidden_act = relu is not supported for bert, only gelu")]
    [InlineData("position_embedding_type", "\"relative_key\"", "position_embedding_type = relative_key is not supported for bert, only absolute")]
    [InlineData("is_decoder", "true", "is_decoder = True is not supported for bert, only false")]
    [InlineData("rotary", "1", "rotary = 1 is not supported for bert")]
    public void Load_RefusesASettingByName(string field, string value, string message)
    {
        var config = JsonNode.Parse(HiddenStates.Config.GetRawText())!.AsObject();
        config[field] = JsonNode.Parse(value);

        var error = Assert.ThrowsAny<Exception>(() => Run(config.ToJsonString(), [1]));

        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_RefusesAnEncoderWithoutTheHead()
    {
        var error = Assert.Throws<InvalidDataException>(() => Run(HiddenStates.Config.GetRawText(), [1], tensors => tensors.Remove("cls.predictions.transform.dense.weight")));

        Assert.Contains("a BertForMaskedLM is wanted", error.Message, StringComparison.Ordinal);
    }

    private static double Worst(double[][] expected, float[] actual) =>
        expected.SelectMany(row => row).Zip(actual, (e, a) => Math.Abs(e - a)).Max() / expected.SelectMany(row => row).Max(Math.Abs);

    private static Bert Load(string config, out TestFolder folder, Action<Dictionary<string, Tensor>>? change = null)
    {
        folder = new TestFolder();
        RandomCheckpoint.Write(folder.Path, HiddenStates.Config.GetRawText(), HiddenStates.Seed);
        File.WriteAllText(Path.Combine(folder.Path, "config.json"), config);
        if (change is not null)
        {
            using var scope = NewDisposeScope();
            var path = Path.Combine(folder.Path, "model.safetensors");
            var tensors = RandomCheckpoint.Shapes(folder.Path).ToDictionary(p => p.Key, p => tensor(RandomCheckpoint.Values(p.Key, p.Value, HiddenStates.Seed, config)).view(p.Value));
            change(tensors);
            Engine.Safetensors.Write(path, tensors, "F32");
        }
        using var weights = new WeightLoader(folder.Path, ScalarType.Float32, CPU);
        return new Bert(ModelConfig.Load(folder.Path), weights);
    }

    private static (float[] Hidden, float[] Logits) Run(string config, int[] ids, Action<Dictionary<string, Tensor>>? change = null)
    {
        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        using var model = Load(config, out var folder, change);
        using var files = folder;
        var hidden = model.Forward(tensor(ids.Select(id => (long)id).ToArray()), arange(ids.Length, ScalarType.Int64), [ids.Length]);
        return (hidden.data<float>().ToArray(), model.Head(hidden).data<float>().ToArray());
    }

    /// <summary>The formulas of the paper on arrays of doubles, row by row.</summary>
    private sealed class DoubleBert(JsonElement config, ulong seed)
    {
        private readonly int _hidden = config.GetProperty("hidden_size").GetInt32();
        private readonly int _heads = config.GetProperty("num_attention_heads").GetInt32();
        private readonly int _inner = config.GetProperty("intermediate_size").GetInt32();

        public double[][] Forward(int[] ids)
        {
            var (words, places, types) = (Take("bert.embeddings.word_embeddings.weight", 128, _hidden), Take("bert.embeddings.position_embeddings.weight", 64, _hidden), Take("bert.embeddings.token_type_embeddings.weight", 2, _hidden));
            var x = Norm([.. ids.Select((id, i) => Add(Add(words[id], places[i]), types[0]))], "bert.embeddings.LayerNorm");
            for (var layer = 0; layer < config.GetProperty("num_hidden_layers").GetInt32(); layer++)
            {
                var name = $"bert.encoder.layer.{layer}.";
                var attended = Attend(Linear(x, name + "attention.self.query", _hidden), Linear(x, name + "attention.self.key", _hidden), Linear(x, name + "attention.self.value", _hidden));
                x = Norm(Add(Linear(attended, name + "attention.output.dense", _hidden), x), name + "attention.output.LayerNorm");
                x = Norm(Add(Linear(Gelu(Linear(x, name + "intermediate.dense", _inner)), name + "output.dense", _hidden), x), name + "output.LayerNorm");
            }
            return x;
        }

        public double[][] Head(double[][] x)
        {
            var transformed = Norm(Gelu(Linear(x, "cls.predictions.transform.dense", _hidden)), "cls.predictions.transform.LayerNorm");
            var (words, bias) = (Take("bert.embeddings.word_embeddings.weight", 128, _hidden), Take("cls.predictions.bias", 128));
            return [.. transformed.Select(row => words.Select((word, i) => Dot(row, word) + bias[i]).ToArray())];
        }

        private double[][] Attend(double[][] query, double[][] key, double[][] value)
        {
            var size = _hidden / _heads;
            return [.. query.Select(q => Enumerable.Range(0, _heads).SelectMany(head =>
            {
                var (from, to) = (head * size, (head + 1) * size);
                var weights = key.Select(k => Math.Exp(Dot(q[from..to], k[from..to]) / Math.Sqrt(size))).ToArray();
                return Enumerable.Range(from, size).Select(i => weights.Zip(value, (w, v) => w * v[i]).Sum() / weights.Sum());
            }).ToArray())];
        }

        private double[][] Linear(double[][] x, string name, int outputs)
        {
            var (weight, bias) = (Take($"{name}.weight", outputs, x[0].Length), Take($"{name}.bias", outputs));
            return [.. x.Select(row => weight.Select((w, i) => Dot(row, w) + bias[i]).ToArray())];
        }

        private double[][] Norm(double[][] x, string name)
        {
            var (weight, bias) = (Take($"{name}.weight", _hidden), Take($"{name}.bias", _hidden));
            return [.. x.Select(row =>
            {
                var mean = row.Average();
                var deviation = Math.Sqrt(row.Average(v => (v - mean) * (v - mean)) + 1e-12);
                return row.Select((v, i) => (v - mean) / deviation * weight[i] + bias[i]).ToArray();
            })];
        }

        // x Phi(x), Phi by the series of the error function, which converges for any argument.
        private static double[][] Gelu(double[][] x) => [.. x.Select(row => row.Select(v =>
        {
            var (term, sum, z) = (v / Math.Sqrt(2), v / Math.Sqrt(2), v / Math.Sqrt(2));
            for (var n = 1; Math.Abs(term) > 1e-18 && n < 500; n++)
            {
                term *= -z * z / n;
                sum += term / (2 * n + 1);
            }
            return Math.Abs(v) > 6 ? Math.Max(v, 0) : 0.5 * v * (1 + 2 / Math.Sqrt(Math.PI) * sum);
        }).ToArray())];

        private double[][] Take(string name, int rows, int columns) =>
            [.. RandomCheckpoint.Values(name, [rows, columns], seed, config.GetRawText()).Select(v => (double)v).Chunk(columns)];

        private double[] Take(string name, int size) => [.. RandomCheckpoint.Values(name, [size], seed, config.GetRawText()).Select(v => (double)v)];

        private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();

        private static double[] Add(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

        private static double[][] Add(double[][] a, double[][] b) => [.. a.Zip(b, Add)];
    }
}
