using Batch.Inference.Models;
using Batch.Inference.Weights;
using static TorchSharp.torch;

namespace Batch.Benchmarks.LlamaCpp;

/// <summary>
/// Writes a Hugging Face folder as the GGUF file that llama.cpp reads: its names, its metadata, its order of rotary dimensions. It holds no vocabulary:
/// llama.cpp is given token ids.
/// </summary>
internal static class GgufCheckpoint
{
    /// <param name="dtype">Of the matrices: float32, float16 or bfloat16. Vectors are float32.</param>
    public static void Write(string folder, string path, ScalarType dtype = ScalarType.Float32)
    {
        using var scope = NewDisposeScope();
        var (config, tensors, gguf) = (ModelConfig.Load(folder), Read(folder), new GgufWriter());
        if (config.ModelType is not ("gpt2" or "llama" or "mistral" or "qwen2" or "qwen3" or "phi3" or "gemma2" or "gemma3_text"))
        {
            throw new NotSupportedException($"{config.Path}: model_type '{config.ModelType}' is not written as GGUF here");
        }
        gguf.AddMetadata("tokenizer.ggml.model", "no_vocab");
        var named = config.ModelType switch
        {
            "gpt2" => Gpt2Gguf.Convert(config, tensors, gguf),
            Bert.ModelType => BertGguf.Convert(config, tensors, gguf),
            _ => new LlamaGguf(config, gguf).Convert(tensors),
        };
        foreach (var (name, tensor) in named)
        {
            gguf.AddTensor(name, tensor.dim() == 1 ? tensor : tensor.to(dtype));
        }
        gguf.Write(path);
    }

    private static Dictionary<string, Tensor> Read(string folder)
    {
        using var weights = new WeightLoader(folder, ScalarType.Float32, CPU);
        var tensors = new Dictionary<string, Tensor>();
        foreach (var path in Directory.GetFiles(folder, "*.safetensors").Order())
        {
            using var file = SafetensorsFile.Open(path);
            foreach (var entry in file.Entries.Values)
            {
                tensors[entry.Name] = weights.Take(entry.Name, entry.Shape);
            }
        }
        return tensors;
    }
}
