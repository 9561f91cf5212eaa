using Batch.Inference.Engine;
using TorchSharp;

namespace Batch.Inference.Tests.Engine;

[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public class Alone;

/// <summary>Alone in the process while they run: they measure it.</summary>
[Collection(nameof(Alone))]
public class MemoryTests
{
    [Fact]
    public async Task GenerateAsync_LeavesNothingBehind_InManagedMemory()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        // Prompts of several blocks, half of them begun alike.
        Task Round() => Task.WhenAll(Enumerable.Range(0, 200).Select(i => engine.RunAsync($"{i}", [.. Enumerable.Repeat(i % 2 == 0 ? 1 : i, 40), 2, 3], new SamplingParams { MaxTokens = 20, Seed = (ulong)i }, TestContext.Current.CancellationToken)));
        await Round();
        var memory = GC.GetTotalMemory(forceFullCollection: true);
        await Round();
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - memory, long.MinValue, 2 << 20);
    }

    [Fact]
    public void Run_LeavesNoTensorsBehind()
    {
        using var folder = TinyModel.Create("llama");
        var model = folder.Load();
        EngineRuns.LastLogits(model, [1, 2, 3]);
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount; // of this thread
        for (var i = 1; i <= 300; i++)
        {
            EngineRuns.LastLogits(model, Enumerable.Repeat(i % 256, 1 + i % 90).ToArray());
        }
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
        model.Runner.Dispose();
    }
}
