using Batch.Inference.Engine;
using CsCheck;

namespace Batch.Inference.Tests.Engine;

public class SchedulerTests
{
    private static Sequence NewSequence(int prompt, int maxTokens, long arrival, int priority = 0) => new(
        new GenerationRequest($"{arrival}", Enumerable.Repeat(1, prompt).ToArray(), new SamplingParams { MaxTokens = maxTokens }, priority),
        0, new TextStream(new CharacterTokenizer(8), []), arrival);

    private sealed record Arrival(int AtStep, int Prompt, int MaxTokens, int Priority);

    [Fact]
    public void Schedule_KeepsItsInvariants_OnRandomTraces()
    {
        var arrivals = Gen.Select(Gen.Int[0, 40], Gen.Int[1, 60], Gen.Int[1, 40], Gen.Int[0, 2]).Select((a, p, m, r) => new Arrival(a, p, m, r)).Array[1, 30];
        Gen.Select(arrivals, Gen.Int[1, 6], Gen.Int[4, 40], Gen.Int[26, 80]).Sample((trace, maxSequences, budget, blocks) => RunTrace(trace, maxSequences, budget, blocks), iter: 300);
    }

    // A whole life of the scheduler: everyone ends, the budget holds, no block leaks or is shared.
    private static void RunTrace(Arrival[] trace, int maxSequences, int budget, int blockCount)
    {
        const int BlockSize = 4;
        var blocks = new BlockPool(blockCount, BlockSize);
        var scheduler = new Scheduler(maxSequences, budget, blocks);
        var ended = 0;
        for (var step = 0; ended < trace.Length; step++)
        {
            Assert.True(step < 20_000, "the trace does not end");
            foreach (var (arrival, i) in trace.Select((a, i) => (a, i)).Where(t => t.a.AtStep == step))
            {
                scheduler.Add(NewSequence(arrival.Prompt, arrival.MaxTokens, i, arrival.Priority));
            }
            var scheduled = scheduler.Schedule().ToList();
            Assert.True(scheduled.Sum(s => s.Tokens) <= budget);
            Assert.True(scheduler.Running <= maxSequences);
            Assert.Equal(scheduled.Count, scheduled.Select(s => s.Sequence).Distinct().Count());
            var owned = scheduler.All().SelectMany(s => s.Blocks).ToList();
            Assert.Equal(owned.Count, owned.Distinct().Count());
            Assert.Equal(blockCount, owned.Count + blocks.Free);
            Assert.True(scheduled.Count > 0 || scheduler.Running + scheduler.Waiting == 0);
            foreach (var share in scheduled)
            {
                Assert.True(share.Sequence.ComputedTokens + share.Tokens <= share.Sequence.Blocks.Count * BlockSize);
                Scheduler.Computed(share);
                if (share.Sequence.PendingTokens == 0)
                {
                    share.Sequence.Append(2);
                    if (share.Sequence.CompletionTokens == share.Sequence.Sampling.MaxTokens)
                    {
                        scheduler.Remove(share.Sequence);
                        ended++;
                    }
                }
            }
        }
        Assert.Equal(blockCount, blocks.Free);
    }

    [Fact]
    public void Schedule_NeverStallsDecoding_WhileALongPromptIsPrefilled()
    {
        var scheduler = new Scheduler(4, 16, new BlockPool(100, 4));
        var decoding = NewSequence(3, 50, 0);
        scheduler.Add(decoding);
        Scheduler.Computed(scheduler.Schedule().Single());
        decoding.Append(1);
        scheduler.Add(NewSequence(100, 5, 1));

        for (var i = 0; i < 6; i++)
        {
            var step = scheduler.Schedule();
            Assert.Equal([1, 15], step.Select(s => s.Tokens));
            Assert.Same(decoding, step[0].Sequence);
            step.ToList().ForEach(Scheduler.Computed);
            decoding.Append(1);
        }
    }

    [Fact]
    public void Schedule_AdmitsByPriorityThenArrival()
    {
        var scheduler = new Scheduler(1, 64, new BlockPool(100, 4));
        var sequences = new[] { NewSequence(2, 1, 0), NewSequence(2, 1, 1, priority: 5), NewSequence(2, 1, 2), NewSequence(2, 1, 3, priority: 5) };
        sequences.ToList().ForEach(scheduler.Add);
        var order = new List<long>();
        while (scheduler.Schedule() is [var next])
        {
            order.Add(next.Sequence.Arrival);
            scheduler.Remove(next.Sequence);
        }
        Assert.Equal([1, 3, 0, 2], order);
    }

    [Fact]
    public void Schedule_PreemptsTheLastInLine_WhenTheCacheIsFull()
    {
        var scheduler = new Scheduler(2, 64, new BlockPool(4, 4));
        var (first, second) = (NewSequence(7, 9, 0), NewSequence(7, 9, 1));
        scheduler.Add(first);
        scheduler.Add(second);
        Assert.Equal(2, scheduler.Schedule().Count);
        foreach (var sequence in new[] { first, second })
        {
            sequence.ComputedTokens = 7;
            sequence.Append(1);
            sequence.Append(1);
        }

        var step = scheduler.Schedule();

        Assert.Same(first, Assert.Single(step).Sequence);
        Assert.Equal((0, 0), (second.ComputedTokens, second.Blocks.Count));
        Assert.Equal(1, scheduler.Preemptions);
        Assert.Equal(9, second.PendingTokens); // its text so far is kept and recomputed
    }
}
