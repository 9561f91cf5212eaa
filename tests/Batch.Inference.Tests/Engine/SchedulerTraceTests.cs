using Batch.Inference.Engine;
using CsCheck;

namespace Batch.Inference.Tests.Engine;

/// <summary>Whole lives of the scheduler, drawn at random, over a cache of numbers in place of keys and values.</summary>
public class SchedulerTraceTests
{
    private const int BlockSize = 4;

    // What happens before a step.
    private enum Event
    {
        Nothing,
        Cancel,
        RollBack,
        Inject,
        Fail,
    }

    // Kind: prompts of one kind begin alike.
    private sealed record Arrival(int AtStep, int Kind, int Prompt, int MaxTokens, int Priority);

    private sealed record Options(int MaxSequences, int Budget, int Blocks, bool Caching, bool Guesses);

    [Fact]
    public void Schedule_KeepsItsInvariants_OnRandomTraces()
    {
        var arrivals = Gen.Select(Gen.Int[0, 30], Gen.Int[0, 1], Gen.Int[1, 60], Gen.Int[1, 40], Gen.OneOf(Gen.Int[0, 2], Gen.Const(GenerationRequest.Urgent))).Select((a, k, p, m, r) => new Arrival(a, k, p, m, r)).Array[1, 30];
        var options = Gen.Select(Gen.Int[1, 6], Gen.Int[4, 120], Gen.Int[26, 60], Gen.Bool, Gen.Bool).Select((s, b, n, c, g) => new Options(s, b, n, c, g));
        var events = Gen.Frequency((3, Gen.Const(Event.Nothing)), (1, Gen.Enum<Event>())).Array[0, 200];
        Gen.Select(arrivals, options, events, Gen.Int).Sample((a, o, e, seed) => new Trace(a, o, e, seed).Run(), iter: 500);
    }

    private sealed class Trace(Arrival[] arrivals, Options options, Event[] events, int seed)
    {
        private readonly BlockPool _blocks = new(options.Blocks, BlockSize, options.Caching);
        private readonly long[] _cache = new long[options.Blocks * BlockSize];
        private readonly Random _random = new(seed);
        private int _ended;
        private int _rollbacks;

        public void Run()
        {
            var scheduler = new Scheduler(options.MaxSequences, options.Budget, _blocks);
            for (var step = 0; _ended < arrivals.Length; step++)
            {
                Assert.True(step < 20_000, "the trace does not end");
                foreach (var (arrival, i) in arrivals.Select((a, i) => (a, i)).Where(t => t.a.AtStep == step))
                {
                    scheduler.Add(NewSequence(arrival, i));
                }
                Happen(scheduler, step < events.Length ? events[step] : Event.Nothing);
                var scheduled = scheduler.Schedule().ToList();
                CheckStep(scheduler, scheduled);
                if (step < events.Length && events[step] == Event.Fail)
                {
                    Array.Clear(_cache);
                    scheduler.Failed();
                    continue;
                }
                Compute(scheduled);
                foreach (var share in scheduled)
                {
                    Advance(scheduler, share);
                }
            }
            Assert.Equal(options.Blocks, _blocks.Free);
        }

        private void Happen(Scheduler scheduler, Event happens)
        {
            if (scheduler.All() is not { Count: > 0 } all)
            {
                return;
            }
            var sequence = all[_random.Next(all.Count)];
            switch (happens)
            {
                case Event.Cancel:
                    scheduler.Remove(sequence);
                    _ended++;
                    break;
                case Event.RollBack when sequence.CompletionTokens > 0:
                    scheduler.Truncate(sequence, sequence.PromptTokens + _random.Next(sequence.CompletionTokens));
                    _rollbacks++;
                    break;
                case Event.Inject when sequence.Tokens.Count < 90:
                    sequence.Tokens.AddRange([9, 9, 9]);
                    break;
            }
        }

        private void CheckStep(Scheduler scheduler, List<ScheduledSequence> scheduled)
        {
            Assert.InRange(scheduled.Sum(s => s.Rows), 0, options.Budget);
            Assert.True(scheduled.All(s => s.Guess.Length == 0) || scheduled.Sum(s => s.Rows) <= options.MaxSequences);
            Assert.InRange(scheduler.Running, 0, options.MaxSequences);
            Assert.Equal(scheduled.Count, scheduled.Select(s => s.Sequence).Distinct().Count());
            Assert.True(scheduled.Count > 0 || scheduler.Running + scheduler.Waiting == 0);
            var held = scheduler.All().SelectMany(s => s.Blocks).GroupBy(b => b).ToDictionary(g => g.Key, g => g.Count());
            Assert.True(Enumerable.Range(0, options.Blocks).All(b => held.GetValueOrDefault(b) == _blocks.HoldersOf(b)), "holders are counted wrongly");
            Assert.Equal(options.Blocks, held.Count + _blocks.Free);
            if (!options.Caching)
            {
                Assert.All(held.Values, holders => Assert.Equal(1, holders));
            }
            Assert.All(scheduler.All(), s => Assert.Equal(s.Blocks.Count, s.Blocks.Distinct().Count()));
        }

        // As a layer does: all rows are written, then each sequence must find its own past, nobody else's.
        private void Compute(List<ScheduledSequence> scheduled)
        {
            foreach (var share in scheduled)
            {
                var (sequence, past) = (share.Sequence, Past(share));
                for (var at = sequence.ComputedTokens; at < sequence.ComputedTokens + share.Rows; at++)
                {
                    _cache[Slot(sequence, at)] = past[at];
                }
            }
            foreach (var share in scheduled)
            {
                var (sequence, past) = (share.Sequence, Past(share));
                Assert.InRange(share.Tokens, 1, sequence.PendingTokens);
                Assert.True(share.Guess.Length == 0 || share.Tokens == sequence.PendingTokens);
                for (var at = 0; at < sequence.ComputedTokens + share.Rows; at++)
                {
                    Assert.Equal(past[at], _cache[Slot(sequence, at)]);
                }
            }
        }

        // Texts follow from what was before, so that those of the same prompt agree and share blocks of text, too, until one is rolled back.
        private void Advance(Scheduler scheduler, ScheduledSequence share)
        {
            var sequence = share.Sequence;
            scheduler.Computed(share);
            var right = 0;
            while (sequence.PendingTokens == 0)
            {
                sequence.Append((int)(Past(sequence)[^1] & 1) + _rollbacks);
                if (sequence.CompletionTokens >= sequence.Sampling.MaxTokens)
                {
                    scheduler.Remove(sequence);
                    _ended++;
                    return;
                }
                if (right < share.Guess.Length && share.Guess.Span[right] == sequence.Tokens[^1])
                {
                    scheduler.Confirmed(sequence);
                    right++;
                }
            }
            if (share.Guess.Length > 0)
            {
                sequence.Lookup!.Observe(share.Guess.Length, right);
            }
        }

        private static int Slot(Sequence sequence, int position) => sequence.Blocks[position / BlockSize] * BlockSize + position % BlockSize;

        private static long[] Past(ScheduledSequence share) => Past([.. share.Sequence.Tokens, .. share.Guess.Span]);

        private static long[] Past(Sequence sequence) => Past(sequence.Tokens);

        private static long[] Past(IEnumerable<int> tokens)
        {
            var hash = 17L;
            return tokens.Select(t => hash = Extend(hash, t)).ToArray();
        }

        private static long Extend(long hash, int token) => (hash ^ (token + 1)) * 1099511628211L + 31;

        // A prompt goes on as a text would, so that it may find blocks of texts.
        private Sequence NewSequence(Arrival arrival, int i)
        {
            int[] prompt = new int[arrival.Prompt];
            var hash = Extend(17L, prompt[0] = arrival.Kind);
            for (var at = 1; at < prompt.Length; at++)
            {
                hash = Extend(hash, prompt[at] = (int)(hash & 1));
            }
            var request = new GenerationRequest($"{i}", prompt, new SamplingParams { MaxTokens = arrival.MaxTokens }, arrival.Priority);
            return new Sequence(request, 0, new TextStream(new CharacterTokenizer(100), []), i) { Lookup = options.Guesses ? new PromptLookup(8, 4, prompt.Length + arrival.MaxTokens) : null };
        }
    }
}
