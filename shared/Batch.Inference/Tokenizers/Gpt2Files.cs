namespace Batch.Inference.Tokenizers;

/// <summary>Reads GPT-2's pair of files: vocab.json and merges.txt.</summary>
internal static class Gpt2Files
{
    public static TokenizerParts Read(string vocabFile, string mergesFile, SpecialTokenFacts facts)
    {
        var tokens = TokenizerJson.ReadVocabulary(JsonPart.Read(vocabFile));
        var added = facts.Complete([], tokens);
        var split = new SplitStep(PreTokenizerJson.Gpt2Pattern, SplitBehavior.Isolated, invert: false);
        var model = new ByteLevelBpe(tokens, ReadMerges(mergesFile), ignoreMerges: false, mergesFile);
        return new TokenizerParts(
            new TextEncoder([], [], new PreTokenizer([split]), model), new Vocabulary(tokens, added, ByteAlphabet.ToBytes), added);
    }

    private static List<(string Left, string Right)> ReadMerges(string file)
    {
        var merges = new List<(string Left, string Right)>();
        var number = 0;
        foreach (var line in File.ReadLines(file))
        {
            number++;
            if (line.Length == 0 || (number == 1 && line.StartsWith("#version", StringComparison.Ordinal)))
            {
                continue;
            }
            merges.Add(line.Split(' ') is [var left, var right]
                ? (left, right)
                : throw new InvalidDataException($"{file}: line {number}: wanted two tokens, saw '{line}'"));
        }
        return merges;
    }
}
