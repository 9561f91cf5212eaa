using System.Text.Json;
using Batch.Inference.Models;
using Batch.Inference.Tokenizers;
using Batch.Inference.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Batch.Inference.Engine;

/// <summary>A model ready to run, with what the engine must know of it.</summary>
internal sealed record LoadedModel(ModelInfo Info, HfTokenizer Tokenizer, ModelRunner Runner, BlockPool Blocks, IReadOnlyCollection<int> EndOfText);

/// <summary>From a Hugging Face folder to a model on its device.</summary>
internal static class ModelLoader
{
    private const int WarmUpTokens = 16; // on the CPU

    /// <param name="tokenizer">Instead of the folder's own.</param>
    public static LoadedModel Load(EngineOptions options, HfTokenizer? tokenizer = null, IProgress<LoadProgress>? progress = null)
    {
        var folder = Path.GetFullPath(options.ModelPath);
        var config = ModelConfig.Load(folder, options.MaxContextLength);
        tokenizer ??= HfTokenizer.Load(folder);
        var devices = Devices.ResolveAll(options.Device);
        var device = devices[^1]; // of what belongs to no layer
        var dtype = Devices.ResolveDType(options.DType, devices);
        if (options.Threads > 0)
        {
            set_num_threads(options.Threads);
        }

        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        using var weights = new WeightLoader(folder, dtype, [.. devices.Select(d => new DeviceRoom(d, Devices.Memory(d)?.Free ?? 1))], Devices.RoundsToInt8(options.WeightDType, device, dtype), options.Weights, progress);
        var model = CausalLM.Create(config, weights);
        RequireTogether(folder, tokenizer, model.VocabularySize);

        var context = options.MaxContextLength == 0 ? model.ContextLength : Math.Min(options.MaxContextLength, model.ContextLength);
        WarmUp(model, tokenizer, options, dtype, weights.Placement, Math.Min(device.type == DeviceType.CUDA ? options.MaxBatchedTokens : WarmUpTokens, context));
        var layers = weights.Placement.Devices.Select((d, i) => (Memory: Devices.Memory(d), Layers: weights.Placement.LayersOn(i, model.Layers)));
        var wanted = layers.Min(d => CachePlan.Tokens(options, context, KvCache.BytesPerToken(model, dtype) / model.Layers * d.Layers, d.Memory)); // where there is least room
        var blocks = (wanted + options.BlockSize - 1) / options.BlockSize;
        context = Math.Min(context, blocks * options.BlockSize); // one sequence alone must fit
        var cache = new KvCache(model, blocks * options.BlockSize, dtype, weights.Placement, Devices.CacheRun(device, options.BlockSize));
        var info = new ModelInfo(options.ModelName ?? Path.GetFileName(folder.TrimEnd('/', '\\')), config.ModelType, dtype.ToString().ToLowerInvariant(), string.Join('+', devices.Select(d => d.ToString())),
            weights.Parameters, context, model.VocabularySize, weights.Fingerprint())
        {
            Provenance = ModelProvenance.Of(folder, device, dtype, weights.RoundsToInt8),
        };
        return new LoadedModel(info, tokenizer, new ModelRunner(model, cache, options.BlockSize, device), new BlockPool(blocks, options.BlockSize, options.PrefixCaching), EndOfText(folder, config, tokenizer).Where(id => id < tokenizer.VocabularySize).ToHashSet());
    }

    // A step of a prompt and one of a text before anybody waits: kernels are generated and compiled, and weights are in memory. On CUDA the first is a whole one, so
    // that what is free afterwards is free while steps run: libtorch keeps what a step took.
    internal static void WarmUp(CausalLM model, HfTokenizer tokenizer, EngineOptions options, ScalarType dtype, LayerPlacement placement, int tokens)
    {
        using var cache = new KvCache(model, tokens + options.BlockSize, dtype, placement, Devices.CacheRun(placement.Home, options.BlockSize));
        var sequence = new Sequence(new GenerationRequest("warm-up", new int[tokens], new SamplingParams()), 0, new TextStream(tokenizer, []), 0);
        sequence.Blocks.AddRange(Enumerable.Range(0, (tokens + options.BlockSize - 1) / options.BlockSize));
        var runner = new ModelRunner(model, cache, options.BlockSize, placement.Home); // not disposed: model and cache are not its own
        runner.Run([new ScheduledSequence(sequence, tokens)]);
        sequence.ComputedTokens = tokens - 1;
        runner.Run([new ScheduledSequence(sequence, 1)]);
    }

    // generation_config.json speaks before config.json, as in transformers; either holds one id or several.
    private static HashSet<int> EndOfText(string folder, ModelConfig config, HfTokenizer tokenizer)
    {
        var path = Path.Combine(folder, "generation_config.json");
        if (File.Exists(path))
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            if (json.RootElement.TryGetProperty("eos_token_id", out var ids) && Ids(ids) is { Count: > 0 } found)
            {
                return found;
            }
        }
        return config.Find("eos_token_id") is { } own && Ids(own) is { Count: > 0 } fromConfig ? fromConfig
            : tokenizer.EosTokenId is { } id ? [id] : [];
    }

    private static HashSet<int> Ids(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => [value.GetInt32()],
        JsonValueKind.Array => value.EnumerateArray().Select(v => v.GetInt32()).ToHashSet(),
        _ => [],
    };

    /// <summary>Refuses a tokenizer with ids that the model has no row for.</summary>
    public static void RequireTogether(string folder, HfTokenizer tokenizer, int rows)
    {
        if (tokenizer.VocabularySize > rows)
        {
            throw new InvalidDataException($"{folder}: the tokenizer has ids up to {tokenizer.VocabularySize - 1}, the model {rows} rows of embeddings; they do not belong together");
        }
    }
}
