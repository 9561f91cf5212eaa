using Batch.Inference.Engine;
using Batch.ModelTrainer.Model;
using Batch.ModelTrainer.Tokenizer;
using Batch.ModelTrainer.Training;
using Xunit;
using static TorchSharp.torch;

namespace Batch.ModelTrainer.Tests;

/// <summary>The model that lies in the repository: small enough, whole, and of use on prompts that stand nowhere in its data.</summary>
public sealed class DefaultModelTests : IDisposable
{
    private const int MaxFolderBytes = 12 << 20;

    private readonly LlamaModel _model;
    private readonly BpeEncoder _encoder;

    public DefaultModelTests()
    {
        set_num_threads(1);
        (_model, var vocabulary) = ModelFolder.Read(Repository.Model);
        _encoder = new BpeEncoder(vocabulary);
    }

    [Fact]
    public void Folder_StaysWithinItsSize()
    {
        Assert.InRange(new DirectoryInfo(Repository.Model).GetFiles().Sum(file => file.Length), 1, MaxFolderBytes);
    }

    [Theory]
    [InlineData("The lighthouse keeper's daughter decided", false)]
    [InlineData("Our new bakery opens on Saturday and", false)]
    [InlineData("老城墙下新开了一家修表铺，", true)]
    [InlineData("为什么要每天散步？", true)]
    public void Continue_StaysInTheLanguageOfThePrompt(string prompt, bool chinese)
    {
        // Of three draws together, since one may end after a single sentence; a stray letter or character is not yet another language.
        var sampler = new TextSampler(_model, _encoder, new SampleSettings(MaxTokens: 60));
        var text = string.Concat(Enumerable.Range(1, 3).Select(seed => sampler.Continue(prompt, seed)));

        var han = text.Count(c => c is >= '\u4e00' and <= '\u9fff');
        var latin = text.Count(char.IsAsciiLetter);
        Assert.True(chinese ? han > 40 && latin < 0.05 * han : latin > 160 && han < 0.05 * latin, text);
    }

    [Theory]
    [InlineData("Dear neighbours, the old bridge")]
    [InlineData("各位邻居，那座老桥")]
    public void Continue_DoesNotLoop(string prompt)
    {
        var text = new TextSampler(_model, _encoder, new SampleSettings(MaxTokens: 120)).Continue(prompt, seed: 2);

        var sentences = text.Split('.', '。', '!', '！', '?', '？').Where(sentence => sentence.Length > 4).ToArray();
        Assert.Equal(sentences.Length, sentences.Distinct().Count());
    }

    [Theory]
    [InlineData("The ferry was late again, so")]
    [InlineData("渡船又晚点了，于是")]
    public async Task Continue_AgreesWithTheEngine(string prompt)
    {
        await using var engine = LlmEngine.Load(new EngineOptions { ModelPath = Repository.Model, Device = "cpu", DType = "float32", Threads = 1 });
        var ids = engine.Tokenizer.Encode(prompt);
        var request = new GenerationRequest("greedy", [.. ids], new SamplingParams { MaxTokens = 24, Temperature = 0, RepetitionPenalty = 1.1f });
        var served = "";

        await foreach (var update in engine.GenerateAsync(request, TestContext.Current.CancellationToken))
        {
            served += update.Text;
        }

        var greedy = new SampleSettings(MaxTokens: 24, TopP: 1e-6f, RepetitionPenalty: 1.1f);
        Assert.Equal(_encoder.Encode(prompt), ids);
        Assert.Equal(new TextSampler(_model, _encoder, greedy).Continue(prompt, seed: 1).TrimEnd('\ufffd'), served.TrimEnd('\ufffd'));
    }

    public void Dispose() => _model.Dispose();
}
