namespace Batch.Inference.Tokenizers;

/// <summary>Splits a text into the pieces within which tokens may be merged: a tokenizer.json's pre_tokenizer.</summary>
internal sealed class PreTokenizer(IReadOnlyList<SplitStep> steps)
{
    /// <summary>The pieces in order; none is empty.</summary>
    public List<(int Start, int Length)> Split(string text)
    {
        if (steps.Count == 0)
        {
            return [(0, text.Length)];
        }
        var (standIn, offsets) = AstralStandIns.Replace(text);
        var pieces = new List<(int Start, int Length)> { (0, standIn.Length) };
        foreach (var step in steps)
        {
            var finer = new List<(int Start, int Length)>(pieces.Count);
            foreach (var (start, length) in pieces)
            {
                step.Split(standIn, start, length, finer);
            }
            pieces = finer;
        }
        for (var i = 0; offsets is not null && i < pieces.Count; i++)
        {
            var (start, length) = pieces[i];
            pieces[i] = (offsets[start], offsets[start + length] - offsets[start]);
        }
        return pieces;
    }
}
