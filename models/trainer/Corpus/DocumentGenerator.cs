using System.Text;

namespace Batch.ModelTrainer.Corpus;

/// <summary>
/// Draws documents from the packs of one language, deterministic by its seed. A document is a title or a request now and then, an opening,
/// three to twelve body sentences in one to three paragraphs, and a closing now and then. So that the model does not learn one mould,
/// some documents begin in the middle, some stop early, and some join the sentences of two neighbouring topics.
/// </summary>
internal sealed class DocumentGenerator(SharedLists shared, Pack[] packs, int seed)
{
    private const double Request = 0.12, Title = 0.35, SkipOpening = 0.2, StopEarly = 0.1, Closing = 0.65, TwoTopics = 0.15;

    private readonly Random _random = new(seed);

    public string Next()
    {
        var at = _random.Next(packs.Length);
        var pack = packs[at];
        var slots = new DocumentSlots(_random, shared);
        var heading = Heading(pack, slots);

        List<(string Frame, Pack Pack)> frames = [];
        if (!Chance(SkipOpening))
        {
            frames.Add((Pick(pack.Opens), pack));
        }
        var early = Chance(StopEarly);
        AddBody(frames, pack, Chance(TwoTopics) ? Neighbour(at) : pack, early ? _random.Next(1, 4) : _random.Next(3, 13));
        if (!early && Chance(Closing))
        {
            frames.Add((Pick(pack.Closes), pack));
        }
        return heading + Paragraphs([.. frames.Select(frame => slots.Expand(frame.Frame, frame.Pack))]);
    }

    private string Heading(Pack pack, DocumentSlots slots)
    {
        var kind = _random.NextDouble();
        if (kind < Request)
        {
            return Pick(shared.Requests).Replace("{topic}", pack.Topic, StringComparison.Ordinal) + (Chance(0.5) ? "\n" : "\n\n");
        }
        return kind < Request + Title ? slots.Expand(Pick(pack.Titles), pack, title: true) + "\n\n" : "";
    }

    /// <summary>Adds body frames without repetition. A frame that says he, she or 他 without a name waits until somebody has been named.</summary>
    private void AddBody(List<(string Frame, Pack Pack)> frames, Pack pack, Pack second, int count)
    {
        var order = pack.Bodies.Select(frame => (frame, pack)).ToArray();
        if (second != pack)
        {
            order = [.. order, .. second.Bodies.Select(frame => (frame, second))];
        }
        _random.Shuffle(order);
        var named = frames.Any(frame => Names(frame.Frame));
        foreach (var (frame, owner) in order)
        {
            if (count == 0)
            {
                return;
            }
            if (!named && SaysPronoun(frame) && !Names(frame))
            {
                continue;
            }
            named |= Names(frame);
            frames.Add((frame, owner));
            count--;
        }
    }

    private string Paragraphs(string[] sentences)
    {
        var paragraphs = sentences.Length < 5 ? 1 : _random.Next(1, 4);
        var text = new StringBuilder(sentences[0]);
        for (var i = 1; i < sentences.Length; i++)
        {
            var breaks = i * paragraphs / sentences.Length != (i - 1) * paragraphs / sentences.Length;
            text.Append(breaks ? "\n\n" : shared.Chinese ? "" : " ").Append(sentences[i]);
        }
        return text.ToString();
    }

    private Pack Neighbour(int at) => packs[at == 0 ? 1 % packs.Length : at == packs.Length - 1 || Chance(0.5) ? at - 1 : at + 1];

    private static bool Names(string frame) => frame.Contains("{name}", StringComparison.Ordinal);

    private static bool SaysPronoun(string frame) =>
        Frame.Slot().Matches(frame).Any(slot => slot.Groups["name"].Value is "he" or "him" or "his" or "He" or "His" or "ta");

    private bool Chance(double probability) => _random.NextDouble() < probability;

    private string Pick(string[] values) => values[_random.Next(values.Length)];
}
