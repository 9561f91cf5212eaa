using System.Text;
using Batch.Inference.Engine;

namespace Batch.Inference.Tests.Engine;

public class LoadingTests
{
    private static string MessageOf<T>(TinyModel folder)
        where T : Exception => Assert.Throws<T>(() => folder.Load()).Message;

    [Fact]
    public void Load_NamesTheTensor_WhenMissingUnexpectedOrOfAnotherShape()
    {
        using var missing = TinyModel.Create("llama", tensors: t => t.Remove("model.layers.1.mlp.up_proj.weight"));
        using var extra = TinyModel.Create("llama", tensors: t => t["model.layers.0.self_attn.q_proj.bias"] = [32]);
        using var misshapen = TinyModel.Create("gpt2", tensors: t => t["transformer.wpe.weight"] = [95, 32]);

        Assert.Contains("tensor 'model.layers.1.mlp.up_proj.weight' [56, 32] is missing", MessageOf<InvalidDataException>(missing), StringComparison.Ordinal);
        Assert.Contains("1 tensors belong to no parameter of this model: model.layers.0.self_attn.q_proj.bias", MessageOf<InvalidDataException>(extra), StringComparison.Ordinal);
        Assert.Contains("'transformer.wpe.weight' has shape [95, 32], the config needs [96, 32]", MessageOf<InvalidDataException>(misshapen), StringComparison.Ordinal);
    }

    [Fact]
    public void Load_NamesTheField_WhenTheConfigAsksForWhatIsNotSupported()
    {
        using var scaled = TinyModel.Create("llama", config: c => c["rope_scaling"] = new { type = "wavelet", factor = 2.0 });
        using var activation = TinyModel.Create("llama", config: c => c["hidden_act"] = "gelu");
        using var unknown = TinyModel.Create("gpt2", config: c => c["logit_softcap"] = 30);
        using var family = TinyModel.Create("llama", config: c => c["model_type"] = "mamba");

        Assert.Contains("rope_scaling: rope_type = wavelet is not supported", MessageOf<NotSupportedException>(scaled), StringComparison.Ordinal);
        Assert.Contains("hidden_act = gelu is not supported for llama, only silu", MessageOf<NotSupportedException>(activation), StringComparison.Ordinal);
        Assert.Contains("logit_softcap = 30 is not supported for gpt2", MessageOf<NotSupportedException>(unknown), StringComparison.Ordinal);
        Assert.Contains("model_type 'mamba' is not supported; supported are gpt2, llama, mistral, qwen2, qwen3, phi3, gemma2, gemma3_text, gemma3", MessageOf<NotSupportedException>(family), StringComparison.Ordinal);
    }

    [Fact]
    public void Load_SaysWhatIsWrong_WhenTheFileIsTruncatedOrGarbled()
    {
        using var truncated = TinyModel.Create("llama");
        var file = Path.Combine(truncated.Path, "model.safetensors");
        File.WriteAllBytes(file, File.ReadAllBytes(file)[..^100]);
        using var garbled = TinyModel.Create("llama");
        File.WriteAllBytes(Path.Combine(garbled.Path, "model.safetensors"), [20, 0, 0, 0, 0, 0, 0, 0, .. Encoding.ASCII.GetBytes("this is not a header and more")]);
        using var absent = TinyModel.Create("llama");
        File.Delete(Path.Combine(absent.Path, "model.safetensors"));

        Assert.Contains("it is truncated", MessageOf<InvalidDataException>(truncated), StringComparison.Ordinal);
        Assert.Contains("the header is not a safetensors header", MessageOf<InvalidDataException>(garbled), StringComparison.Ordinal);
        Assert.Contains("holds neither model.safetensors nor model.safetensors.index.json", MessageOf<FileNotFoundException>(absent), StringComparison.Ordinal);
    }

    [Fact]
    public void Load_TakesTheTiedHead_FromTheEmbeddings()
    {
        using var tied = TinyModel.Create("llama", config: c => c["tie_word_embeddings"] = true, tensors: t => t.Remove("lm_head.weight"));
        var model = tied.Load();
        Assert.Equal(TinyModel.Vocabulary, EngineRuns.LastLogits(model, [1]).Length);
        model.Runner.Dispose();
    }

    [Theory]
    [InlineData("tpu", "auto", "Device must be auto, cpu, cuda or cuda:N, several of them separated by commas (a replica on each) or by + (a model's layers spread over them), or cuda:*; was 'tpu'")]
    [InlineData("cpu", "float16", "DType must be auto, float32, bfloat16 or, on cuda, float16; was 'float16' on cpu")]
    public void Load_RefusesDeviceAndDType_ByName(string device, string dtype, string message)
    {
        using var folder = TinyModel.Create("llama");
        var options = new EngineOptions { ModelPath = folder.Path, Device = device, DType = dtype };
        Assert.Contains(message, Assert.Throws<ArgumentException>(() => ModelLoader.Load(options, new CharacterTokenizer(TinyModel.Vocabulary))).Message, StringComparison.Ordinal);
    }
}
