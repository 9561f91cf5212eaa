using Batch.Inference.Engine;

namespace Batch.Inference.Tests.Engine;

public class SchedulerTests
{
    private static Sequence NewSequence(int prompt, int maxTokens, long arrival, int priority = 0) => new(
        new GenerationRequest($"{arrival}", Enumerable.Repeat(1, prompt).ToArray(), new SamplingParams { MaxTokens = maxTokens }, priority),
        0, new TextStream(new CharacterTokenizer(8), []), arrival);

    [Fact]
    public void Schedule_NeverStallsDecoding_WhileALongPromptIsPrefilled()
    {
        var scheduler = new Scheduler(4, 16, new BlockPool(100, 4));
        var decoding = NewSequence(3, 50, 0);
        scheduler.Add(decoding);
        scheduler.Computed(scheduler.Schedule().Single());
        decoding.Append(1);
        scheduler.Add(NewSequence(100, 5, 1));

        for (var i = 0; i < 6; i++)
        {
            var step = scheduler.Schedule();
            Assert.Equal([1, 15], step.Select(s => s.Tokens));
            Assert.Same(decoding, step[0].Sequence);
            step.ToList().ForEach(scheduler.Computed);
            decoding.Append(1);
        }
    }

    [Fact]
    public void Schedule_NeverStallsATextIntoWhichTokensWereInjected_WhileAMoreUrgentPromptIsPrefilled()
    {
        var scheduler = new Scheduler(4, 16, new BlockPool(100, 4));
        var decoding = NewSequence(3, 50, 0);
        scheduler.Add(decoding);
        scheduler.Computed(scheduler.Schedule().Single());
        scheduler.Add(NewSequence(100, 5, 1, priority: 1));

        for (var i = 0; i < 5; i++)
        {
            Enumerable.Repeat(1, 4).ToList().ForEach(decoding.Append);
            var step = scheduler.Schedule();
            Assert.Equal([4, 12], step.Select(s => s.Tokens));
            Assert.Same(decoding, step[0].Sequence);
            step.ToList().ForEach(scheduler.Computed);
        }
    }

    [Fact]
    public void Schedule_TakesSmallPromptsAtOnce_BesideAHugeOne_WhichGetsAllThatTheyDoNotNeed()
    {
        var scheduler = new Scheduler(8, 16, new BlockPool(30_000, 4));
        var huge = NewSequence(100_000, 5, 0);
        scheduler.Add(huge);
        for (var arrival = 1; huge.ComputedTokens < 1000; arrival++)
        {
            var small = NewSequence(arrival % 12 + 1, 1, arrival);
            scheduler.Add(small);

            var step = scheduler.Schedule();

            Assert.Equal(16, step.Sum(s => s.Tokens));
            Assert.Equal(Math.Min(8, small.PendingTokens), step.Single(s => s.Sequence == small).Tokens);
            step.ToList().ForEach(scheduler.Computed);
            scheduler.Remove(small);
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

    [Fact]
    public void Schedule_ComputesAnUrgentPromptAlone_AndEveryOtherStepTheRowsOfOthers()
    {
        var scheduler = new Scheduler(4, 16, new BlockPool(100, 4));
        var batch = new[] { NewSequence(3, 50, 0), NewSequence(3, 50, 1) };
        batch.ToList().ForEach(scheduler.Add);
        Run(scheduler.Schedule());
        var urgent = NewSequence(40, 5, 2, GenerationRequest.Urgent);
        scheduler.Add(urgent);

        Assert.Equal([(urgent, 16)], Run(scheduler.Schedule()));
        Assert.Equal([(batch[0], 1), (batch[1], 1), (urgent, 14)], Run(scheduler.Schedule()));
        Assert.Equal([(urgent, 10)], Run(scheduler.Schedule()));

        // Its text goes on beside the others'.
        Assert.Equal([(urgent, 1), (batch[0], 1), (batch[1], 1)], Run(scheduler.Schedule()));

        List<(Sequence, int)> Run(IReadOnlyList<ScheduledSequence> scheduled)
        {
            var step = scheduled.Select(share => (share.Sequence, share.Tokens)).ToList();
            foreach (var share in scheduled.ToList())
            {
                scheduler.Computed(share);
                if (share.Sequence.PendingTokens == 0)
                {
                    share.Sequence.Append(1);
                }
            }
            return step;
        }
    }

    [Fact]
    public void Schedule_ServesOthers_WhileThereIsNoRoomForAnUrgentPrompt()
    {
        var scheduler = new Scheduler(2, 16, new BlockPool(4, 4));
        var first = NewSequence(9, 9, 0, GenerationRequest.Urgent);
        scheduler.Add(first);
        scheduler.Computed(scheduler.Schedule().Single());
        first.Append(1);
        scheduler.Add(NewSequence(9, 9, 1, GenerationRequest.Urgent));

        Assert.Same(first, Assert.Single(scheduler.Schedule()).Sequence);
    }
}
