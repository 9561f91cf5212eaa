using Batch.Inference.Models;
using Batch.Inference.Tokenizers;
using Batch.Inference.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Batch.Inference.Engine;

/// <summary>What loading a model would take, found out without reading its weights.</summary>
/// <param name="Family">model_type of config.json.</param>
/// <param name="Device">Where it would run.</param>
/// <param name="DType">What it would compute in.</param>
/// <param name="StoredTypes">What its files hold.</param>
/// <param name="WeightBytes">Memory of the weights on the device.</param>
/// <param name="CacheBytes">Memory of the key-value cache as configured; on a GPU what is free is taken, and this is one sequence of the whole context.</param>
/// <param name="MemoryBytes">What the device has for both.</param>
public sealed record ModelInspection(
    string Family, string Device, string DType, string StoredTypes, long Parameters, int ContextLength, long WeightBytes, long CacheBytes, long MemoryBytes)
{
    /// <summary>Checks files, names, shapes and tokenizer as loading does.</summary>
    /// <exception cref="InvalidDataException">A file is truncated, malformed or does not fit the config.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="NotSupportedException">The config asks for what this engine cannot do.</exception>
    public static ModelInspection Of(EngineOptions options)
    {
        var folder = Path.GetFullPath(options.ModelPath);
        var config = ModelConfig.Load(folder, options.MaxContextLength);
        var tokenizer = HfTokenizer.Load(folder);
        var devices = Devices.ResolveAll(Devices.Split(options.Device)[0]); // of one replica
        var dtype = Devices.ResolveDType(options.DType, devices);
        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        using var weights = new ShapeLoader(folder);
        var (rows, context, perToken) = Shape(config, weights, dtype);
        ModelLoader.RequireTogether(folder, tokenizer, rows);

        long? memory = Devices.Memory(devices[0]) is null ? null : devices.Sum(device => Devices.Memory(device)?.Total ?? 0);
        context = options.MaxContextLength == 0 ? context : Math.Min(options.MaxContextLength, context);
        var cached = memory is null ? CachePlan.Tokens(options, context, perToken, null) : options.CacheTokens > 0 ? options.CacheTokens : context;
        return new ModelInspection(
            config.ModelType, string.Join("+", devices), dtype.ToString().ToLowerInvariant(), string.Join(", ", weights.StoredTypes), weights.Parameters, context,
            weights.Parameters * dtype.ElementSize(), perToken * cached,
            memory is { } own ? (long)(own * options.GpuMemoryUtilization) : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
    }

    private static (int Rows, int Context, long BytesPerToken) Shape(ModelConfig config, WeightLoader weights, ScalarType dtype)
    {
        if (MaskFiller.Serves(config))
        {
            using var bert = new Bert(config, weights);
            return (bert.VocabularySize, bert.ContextLength, 0);
        }

        using var model = CausalLM.Create(config, weights);
        return (model.VocabularySize, model.ContextLength, KvCache.BytesPerToken(model, dtype));
    }
}
