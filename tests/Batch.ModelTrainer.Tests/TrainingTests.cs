using Batch.ModelTrainer.Model;
using Batch.ModelTrainer.Tokenizer;
using Batch.ModelTrainer.Training;
using Xunit;
using static TorchSharp.torch;

namespace Batch.ModelTrainer.Tests;

public sealed class TrainingTests : IDisposable
{
    private static readonly LlamaConfig Tiny = new(VocabSize: 300, HiddenSize: 32, IntermediateSize: 48, NumHiddenLayers: 2, NumAttentionHeads: 4, NumKeyValueHeads: 2, MaxPositionEmbeddings: 64);
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;

    public TrainingTests() => set_num_threads(1); // the model is too small to share

    [Fact]
    public void Next_GivesTheSameLosses_WhenTheRunIsStoppedAndResumed()
    {
        var checkpoint = Path.Combine(_folder, "checkpoint.safetensors");
        var whole = Losses(steps: 12);

        var first = Losses(steps: 5, save: checkpoint);
        var second = Losses(steps: 7, resume: checkpoint);

        Assert.Equal(whole, first.Concat(second));
    }

    [Fact]
    public void Next_LowersTheLoss()
    {
        var losses = Losses(steps: 40);

        Assert.True(losses[^5..].Average() < losses[..5].Average() - 0.5, string.Join(' ', losses));
    }

    [Fact]
    public void LastLogits_DoNotDependOnLaterTokens()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = LlamaModel.Initialise(Tiny, seed: 1, ScalarType.Float32);
        long[] text = [5, 9, 200, 31, 7];

        var alone = model.Loss(tensor(text[..3]).unsqueeze(0), tensor(text[1..4]).unsqueeze(0)).item<float>();
        var last = nn.functional.cross_entropy(model.LastLogits(tensor(text[..3]).unsqueeze(0)), tensor((long[])[31])).item<float>();
        var two = model.Loss(tensor(text[..2]).unsqueeze(0), tensor(text[1..3]).unsqueeze(0)).item<float>();

        Assert.Equal(alone * 3, two * 2 + last, tolerance: 1e-4);
    }

    [Fact]
    public void Write_ReadsBackTheSameModel()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var config = Tiny with { VocabSize = Vocabulary.FirstMerged };
        using var model = LlamaModel.Initialise(config, seed: 1, ScalarType.Float32);

        ModelFolder.Write(_folder, model, new Vocabulary([]));
        var (read, vocabulary) = ModelFolder.Read(_folder);

        Assert.Equal(config, read.Config);
        Assert.Equal(Vocabulary.FirstMerged, vocabulary.Count);
        Assert.All(model.Weights, entry => Assert.True(entry.Value.to(ScalarType.BFloat16).to(ScalarType.Float32).Equals(read.Weights[entry.Key]), entry.Key));
        read.Dispose();
    }

    [Fact]
    public void Write_MakesASafetensorsFileWhoseDataFollowsAnAlignedHeader()
    {
        var file = Path.Combine(_folder, "two.safetensors");
        using var a = tensor((float[])[1, 2, 3, 4, 5, 6]).view(2, 3);
        using var b = tensor((float[])[-0.5f, 7]).to(ScalarType.BFloat16);

        SafetensorsFile.Write(file, new Dictionary<string, Tensor> { ["b"] = b, ["a"] = a.t() }, new Dictionary<string, string> { ["format"] = "pt" });

        var bytes = File.ReadAllBytes(file);
        var header = BitConverter.ToInt64(bytes);
        Assert.Equal(0, header % 8);
        Assert.Equal(
            """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[24,28]}}""",
            System.Text.Encoding.UTF8.GetString(bytes, 8, (int)header).TrimEnd());
        Assert.Equal([1f, 4f, 2f, 5f, 3f, 6f], Enumerable.Range(0, 6).Select(i => BitConverter.ToSingle(bytes, 8 + (int)header + 4 * i)));
        Assert.Equal((byte[])[0x00, 0xbf, 0xe0, 0x40], bytes[^4..]);
    }

    [Fact]
    public void Disturb_ReplacesAFewTokensAndNoEndOfText()
    {
        long[] tokens = [.. Enumerable.Range(0, 10_000).Select(i => i % 50 == 0 ? 0L : i)];

        var disturbed = InputNoise.Disturb(tokens, seed: 3);

        Assert.Equal(disturbed, InputNoise.Disturb(tokens, seed: 3));
        Assert.InRange(tokens.Zip(disturbed).Count(pair => pair.First != pair.Second), 500, 1000);
        Assert.All(tokens.Zip(disturbed), pair => Assert.Equal(pair.First == 0, pair.Second == 0));
    }

    [Fact]
    public void At_DoesNotDependOnTheNumberOfSteps_WhileThePlateauLasts()
    {
        Assert.Equal(new LearningRate(1e-3, 2000).At(900), new LearningRate(1e-3, 4000).At(900));
        Assert.Equal(0.03e-3, new LearningRate(1e-3, 2000).At(2000), 1e-9);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static List<float> Losses(int steps, string? save = null, string? resume = null)
    {
        var stream = new TokenStream([.. Enumerable.Range(0, 4000).Select(i => (ushort)(i % 37 == 0 ? 0 : 1 + i * i % 83))]);
        using var model = LlamaModel.Initialise(Tiny, seed: 1, ScalarType.Float32);
        using var optimizer = new Optimizer(model.Weights);
        var plan = new TrainingPlan(Steps: 60, Batch: 2, Time: 24, new LearningRate(5e-3, Steps: 60, WarmUp: 3));
        var run = new TrainingRun(model, optimizer, stream, plan, TimeProvider.System);
        if (resume is not null)
        {
            run.Resume(resume);
        }
        List<float> losses = [.. Enumerable.Range(0, steps).Select(_ => run.Next().Loss)];
        if (save is not null)
        {
            run.Save(save);
        }
        return losses;
    }
}
