using System.Diagnostics;
using System.Runtime.CompilerServices;
using Batch.Benchmarks.Engine;
using Batch.Inference.Engine;
using Batch.Inference.Models;
using Batch.Inference.Tokenizers;

namespace Batch.Benchmarks.Service;

/// <summary>An engine that counts the tokens it writes as time goes by.</summary>
internal sealed class MeteredEngine(LlmEngine inner) : LlmEngine
{
    private readonly Lock _lock = new();
    private readonly List<long> _times = [];

    public override ModelInfo Model => inner.Model;

    public override HfTokenizer Tokenizer => inner.Tokenizer;

    public static MeteredEngine Load(string folder, string dtype)
    {
        var options = new EngineOptions { ModelPath = folder, Device = "cpu", DType = dtype };
        var tokenizer = new IdTokenizer(ModelConfig.Load(folder).Int("vocab_size"));
        return new MeteredEngine(new LlmEngine(ModelLoader.Load(options, tokenizer), options, null));
    }

    public override async IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        await foreach (var update in inner.GenerateAsync(request, cancellationToken))
        {
            lock (_lock)
            {
                _times.Add(Stopwatch.GetTimestamp());
            }

            yield return update;
        }
    }

    public void Reset()
    {
        lock (_lock)
        {
            _times.Clear();
        }
    }

    /// <summary>Tokens a second between the first and the last <paramref name="edge"/> of all tokens, so that neither the start nor the end counts, where the engine is not full.</summary>
    public double TokensPerSecond(double edge)
    {
        lock (_lock)
        {
            var (from, to) = ((int)(_times.Count * edge), (int)(_times.Count * (1 - edge)) - 1);
            return (to - from) / BenchmarkEngine.Seconds(_times[from], _times[to]);
        }
    }

    public override async ValueTask DisposeAsync()
    {
        await inner.DisposeAsync();
        await base.DisposeAsync();
    }
}
