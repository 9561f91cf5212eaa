using Batch.Inference.Engine;

namespace Batch.Inference.Tests.Engine;

public sealed class SequenceTests
{
    [Fact]
    public void Publish_HandsUpdatesOverSoManyAtATime_ButForTheFirstAndTheLast()
    {
        var sequence = New(updatesAtOnce: 3);

        string[] told = [.. Enumerable.Range(1, 6).Select(token => Publish(token, token == 6 ? FinishReason.Length : null))];

        Assert.Equal(["1", "", "", "234", "", "56"], told);

        string Publish(int token, FinishReason? reason)
        {
            sequence.Publish(new GenerationUpdate($"{token}", token, reason));
            return string.Concat(All(sequence).Select(update => update.Text));
        }
    }

    [Fact]
    public void Fail_HandsOverWhatWasHeld_BeforeTheError()
    {
        var sequence = New(updatesAtOnce: 8);
        sequence.Publish(new GenerationUpdate("a", 1, null));
        sequence.Publish(new GenerationUpdate("b", 2, null));

        sequence.Fail(new InvalidDataException("no numbers"));

        Assert.Equal(["a", "b"], All(sequence).Select(update => update.Text));
        Assert.IsType<InvalidDataException>(sequence.Updates.Completion.Exception!.InnerException);
    }

    private static Sequence New(int updatesAtOnce) =>
        new(new GenerationRequest("s", [0], new SamplingParams()) { UpdatesAtOnce = updatesAtOnce }, 0, new TextStream(new CharacterTokenizer(100), []), 0);

    private static List<GenerationUpdate> All(Sequence sequence)
    {
        var all = new List<GenerationUpdate>();
        while (sequence.Updates.TryRead(out var update))
        {
            all.Add(update);
        }
        return all;
    }
}
