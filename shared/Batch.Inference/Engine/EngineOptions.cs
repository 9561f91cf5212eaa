using System.ComponentModel.DataAnnotations;
using Batch.Inference.Weights;

namespace Batch.Inference.Engine;

/// <summary>Which model runs where, and how much of it at once. Bound once, validated at start.</summary>
public sealed class EngineOptions
{
    /// <summary>A Hugging Face folder: config.json, *.safetensors, tokenizer files. The service also takes the address of one in blobs.</summary>
    [Required]
    public string ModelPath { get; set; } = "";

    /// <summary>The name that jobs ask for; by default the folder's name.</summary>
    public string? ModelName { get; set; }

    /// <summary>Folder on this machine's disk to which a model in blobs is fetched.</summary>
    [Required]
    public string ModelCache { get; set; } = Path.Combine(Path.GetTempPath(), "batch-models");

    /// <summary>Reads the weights of a model in blobs by ranges at each load, straight to the device; only its other files come to <see cref="ModelCache"/>.</summary>
    public bool StreamWeights { get; set; }

    /// <summary>
    /// "auto" (cuda when present, else cpu), "cpu", "cuda" or "cuda:N"; several, separated by commas, or "cuda:*" for all, hold the model once each and share
    /// its requests; separated by "+", as in "cuda:0+cuda:1", they hold its layers together.
    /// </summary>
    public string Device { get; set; } = "auto";

    /// <summary>"auto" (cpu: float32; cuda: bfloat16 from compute capability 8.0, else float16), "float32", "bfloat16" or "float16".</summary>
    public string DType { get; set; } = "auto";

    /// <summary>
    /// "auto" keeps weights in <see cref="DType"/>; "int8" rounds matrices to 8 bits at load, a scale for each output, where the own kernel for matrix
    /// products serves: half of bfloat16's memory, at a small cost in quality.
    /// </summary>
    public string WeightDType { get; set; } = "auto";

    /// <summary>Threads of the CPU kernels; 0 leaves the choice to libtorch.</summary>
    [Range(0, 1024)]
    public int Threads { get; set; }

    /// <summary>Most sequences in one step.</summary>
    [Range(1, 1024)]
    public int MaxSequences { get; set; } = 32;

    /// <summary>Token budget of one step over all sequences; longer prompts are prefilled in chunks of it.</summary>
    [Range(16, 65536)]
    public int MaxBatchedTokens { get; set; } = 512;

    /// <summary>Most tokens of prompt and text together; 0 takes the model's own limit.</summary>
    [Range(0, 1 << 20)]
    public int MaxContextLength { get; set; }

    /// <summary>Tokens that one block of the key-value cache holds.</summary>
    [Range(1, 256)]
    public int BlockSize { get; set; } = 16;

    /// <summary>Size of the key-value cache, allocated once, in tokens over all sequences; 0 takes, on the CPU, <see cref="MaxSequences"/> whole contexts, at most 65,536 tokens.</summary>
    [Range(0, 1 << 26)]
    public int CacheTokens { get; set; }

    /// <summary>How much of a CUDA device's memory weights, steps and cache may take together, 0.1 to 1; the cache takes what the others leave unless <see cref="CacheTokens"/> is set.</summary>
    [Range(0.1, 1.0)]
    public double GpuMemoryUtilization { get; set; } = 0.9;

    /// <summary>Computes what prompts begin alike with once: blocks of the cache are shared and kept until their place is needed.</summary>
    public bool PrefixCaching { get; set; } = true;

    /// <summary>
    /// Most tokens of a text that are guessed at once from where its last tokens stood before, in prompt or text, and confirmed in one step; 0 for none. The text is
    /// the same; guesses take the rows of a step that <see cref="MaxSequences"/> leaves.
    /// </summary>
    [Range(0, 64)]
    public int PromptLookupTokens { get; set; } = 16;

    /// <summary>The longest run of last tokens that guesses look for.</summary>
    [Range(2, 16)]
    public int PromptLookupMaxNgram { get; set; } = 4;

    /// <summary>Where the weights lie when not in the folder.</summary>
    public IWeightFiles? Weights { get; private set; }

    /// <summary>The same for the model in another folder, its weights there too or elsewhere.</summary>
    public EngineOptions At(string folder, IWeightFiles? weights = null)
    {
        var options = (EngineOptions)MemberwiseClone();
        (options.ModelPath, options.Weights) = (folder, weights);
        return options;
    }

    internal EngineOptions On(string device)
    {
        var options = (EngineOptions)MemberwiseClone();
        options.Device = device;
        return options;
    }
}
