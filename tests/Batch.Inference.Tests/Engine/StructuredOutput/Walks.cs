using System.Text;
using Batch.Inference.Engine.StructuredOutput;
using Batch.Inference.Tokenizers;
using CsCheck;

namespace Batch.Inference.Tests.Engine.StructuredOutput;

internal enum Taste
{
    Random,
    Longest,
    Shortest,
    Rarest,
}

/// <summary>Texts drawn through the masks as an engine would draw them, by models of strange taste.</summary>
internal static class Walks
{
    public static Gen<T> OneOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    public static CompiledConstraint Compile(StructuredOutputParams constraint, HfTokenizer tokenizer, params int[] endOfText)
    {
        var vocabulary = new TokenVocabulary(tokenizer, endOfText);
        return new CompiledConstraint(ConstraintGrammar.Build(constraint, vocabulary.Alphabet), vocabulary);
    }

    public static CompiledConstraint Compile(StructuredOutputParams constraint, WordTokenizer tokenizer) => Compile(constraint, tokenizer, tokenizer.EndOfText);

    /// <summary>Whether the constraint takes the whole text.</summary>
    public static bool Takes(this CompiledConstraint compiled, string text) => compiled.Follow(compiled.Start, Encoding.UTF8.GetBytes(text)) is { Accepts: true };

    /// <summary>A whole text, or null when it is not finished after <paramref name="most"/> tokens.</summary>
    /// <param name="hurry">After so many tokens the walk takes what ends a text soonest.</param>
    public static string? Walk(this CompiledConstraint compiled, HfTokenizer tokenizer, Taste taste, int seed, int most = 3000, int hurry = 60)
    {
        var constraint = new TokenConstraint(compiled, stripsSpace: false, ignoresEndOfText: false);
        var random = new Random(seed);
        var logits = new float[tokenizer.VocabularySize];
        var ids = new List<int>();
        while (ids.Count < most)
        {
            if (constraint.IsComplete)
            {
                return tokenizer.Decode(ids);
            }
            Array.Clear(logits);
            constraint.Mask(logits);
            var allowed = Enumerable.Range(0, logits.Length).Where(id => logits[id] == 0f).ToList();
            Assert.NotEmpty(allowed);
            var end = allowed.Find(compiled.Vocabulary.EndsText, -1);
            if (end >= 0 && (ids.Count > hurry || random.Next(4) == 0))
            {
                constraint.Accept(end);
                return tokenizer.Decode(ids);
            }
            allowed.Remove(end);
            var next = ids.Count > hurry ? Closer(tokenizer, allowed, random) : Pick(tokenizer, allowed, taste, random);
            constraint.Accept(next);
            ids.Add(next);
        }
        return null;
    }

    private static int Find(this List<int> ids, Func<int, bool> holds, int otherwise)
    {
        foreach (var id in ids)
        {
            if (holds(id))
            {
                return id;
            }
        }
        return otherwise;
    }

    private static int Pick(HfTokenizer tokenizer, List<int> allowed, Taste taste, Random random) => taste switch
    {
        Taste.Longest => allowed.MaxBy(id => tokenizer.GetBytes(id).Length * 1000 + random.Next(1000)),
        Taste.Shortest => allowed.MinBy(id => tokenizer.GetBytes(id).Length * 1000 + random.Next(1000)),
        Taste.Rarest => random.Next(3) == 0 ? allowed[^1] : allowed[random.Next(allowed.Count)],
        _ => allowed[random.Next(allowed.Count)],
    };

    // What closes strings, arrays and objects first, then the shortest values.
    private static int Closer(HfTokenizer tokenizer, List<int> allowed, Random random)
    {
        foreach (var wanted in random.Next(4) > 0 ? "\"}]@.0n,:" : $"\"{"ab01-"[random.Next(5)]}")
        {
            foreach (var id in allowed)
            {
                if (tokenizer.GetBytes(id) is [var only] && only == wanted)
                {
                    return id;
                }
            }
        }
        return Pick(tokenizer, allowed, Taste.Shortest, random);
    }
}
