namespace Batch.ModelTrainer.Corpus;

/// <summary>One kind of document of the training text and its share of all tokens.</summary>
internal sealed record TextSource(string Label, double Share, Func<string> Next);

/// <summary>A labelled set of documents that training never sees (for "drawn": whose sentences it sees in other combinations).</summary>
internal sealed record HeldOutText(string Label, string[] Documents);

/// <summary>The whole corpus: sources to train on, half of the tokens in each language, and held-out text to measure on.</summary>
internal sealed class CorpusText
{
    private const int HeldOutDrawn = 40;

    private CorpusText(TextSource[] sources, HeldOutText[] heldOut) => (Sources, HeldOut) = (sources, heldOut);

    public TextSource[] Sources { get; }

    public HeldOutText[] HeldOut { get; }

    /// <param name="corpus">The folder of packs, models/corpus.</param>
    /// <param name="prose">A folder of other prose, or null for none.</param>
    /// <param name="seed">Two corpora of one seed give the same documents in the same order.</param>
    public static CorpusText Open(string corpus, string? prose, int seed)
    {
        List<TextSource> sources = [];
        List<HeldOutText> heldOut = [];
        foreach (var language in (string[])["en", "zh"])
        {
            var (shared, packs) = PackReader.ReadLanguage(corpus, language);
            var passages = packs.SelectMany(pack => pack.Prose).ToArray();
            var own = passages.Where((_, i) => i % 10 != 9).ToArray();
            var others = prose is null ? null : ProseFolder.Read(prose, language == "zh");
            var otherShare = others is { Pieces.Length: > 0 } ? 0.18 : 0;

            sources.Add(new($"{language} drawn", 0.445 - otherShare, new DocumentGenerator(shared, packs, seed).Next));
            sources.Add(new($"{language} passages", 0.055, Cycle(own, seed + 1)));
            heldOut.Add(new($"{language} passages", [.. passages.Where((_, i) => i % 10 == 9)]));
            heldOut.Add(new($"{language} drawn", Drawn(new DocumentGenerator(shared, packs, seed + 2))));
            if (others is { Pieces.Length: > 0 })
            {
                sources.Add(new($"{language} prose", otherShare, Cycle(others.Pieces, seed + 3)));
                heldOut.Add(new($"{language} prose", [.. others.HeldOut.Where((_, i) => i % Math.Max(1, others.HeldOut.Length / HeldOutDrawn) == 0)]));
            }
        }
        return new CorpusText([.. sources], [.. heldOut]);
    }

    /// <summary>Documents without end: the next one comes from the source that is furthest behind its share of tokens.</summary>
    /// <param name="length">Counts the tokens of a document.</param>
    public IEnumerable<string> Documents(Func<string, int> length)
    {
        var given = new double[Sources.Length];
        while (true)
        {
            var behind = 0;
            for (var i = 1; i < Sources.Length; i++)
            {
                behind = given[i] / Sources[i].Share < given[behind] / Sources[behind].Share ? i : behind;
            }
            var document = Sources[behind].Next();
            given[behind] += length(document);
            yield return document;
        }
    }

    private static string[] Drawn(DocumentGenerator generator) => [.. Enumerable.Range(0, HeldOutDrawn).Select(_ => generator.Next())];

    /// <summary>Gives every text once in a shuffled order, then all again in another order.</summary>
    private static Func<string> Cycle(string[] texts, int seed)
    {
        var random = new Random(seed);
        var order = texts.ToArray();
        var at = order.Length;
        return () =>
        {
            if (at == order.Length)
            {
                random.Shuffle(order);
                at = 0;
            }
            return order[at++];
        };
    }
}
