namespace Batch.Inference.Tokenizers;

/// <summary>Reads GPT-2's pair of files: vocab.json and merges.txt.</summary>
internal static class Gpt2Files
{
    public static TokenizerParts Read(string vocabFile, string mergesFile, SpecialTokenFacts facts)
    {
        var tokens = JsonPart.Read(vocabFile).Members().ToDictionary(member => member.Name, member => member.Part.Integer());
        var added = facts.Complete([], tokens);
        var split = new SplitStep(PreTokenizerJson.Gpt2Pattern, SplitBehavior.Isolated, invert: false);
        var model = new ByteLevelBpe(tokens, ReadMerges(mergesFile), ignoreMerges: false);
        return new TokenizerParts(
            new TextEncoder([], new PreTokenizer([split]), model), new Vocabulary(tokens, added, ByteAlphabet.ToBytes), added);
    }

    private static List<string> ReadMerges(string file)
    {
        var merges = new List<string>();
        var number = 0;
        foreach (var line in File.ReadLines(file))
        {
            number++;
            if (line.Length == 0 || (number == 1 && line.StartsWith("#version", StringComparison.Ordinal)))
            {
                continue;
            }
            if (line.Split(' ').Length != 2)
            {
                throw new InvalidDataException($"{file}: line {number}: wanted two tokens, saw '{line}'");
            }
            merges.Add(line);
        }
        return merges;
    }
}
