using System.Globalization;

namespace Batch.Jobs.Batches;

/// <summary>
/// What one pass writes: these slices, in this order, either with the outcomes that lie there or, where the batch ends without them, as
/// lines that never ran. It stands in the row before the first byte is written, so that the pass begun again writes the same bytes.
/// </summary>
internal sealed record CollectionPlan(bool Closes, IReadOnlyList<int> Slices)
{
    /// <summary>As <c>r:0-3,7</c> or, closing, <c>c:8-511</c>.</summary>
    public override string ToString()
    {
        var ranges = new List<string>();
        for (var i = 0; i < Slices.Count; i++)
        {
            var start = i;
            while (i + 1 < Slices.Count && Slices[i + 1] == Slices[i] + 1)
            {
                i++;
            }

            ranges.Add(string.Create(CultureInfo.InvariantCulture, $"{Slices[start]}-{Slices[i]}"));
        }

        return (Closes ? "c:" : "r:") + string.Join(',', ranges);
    }

    public static CollectionPlan Parse(string text) => new(
        text.StartsWith("c:", StringComparison.Ordinal),
        [
            .. text[2..].Split(',').SelectMany(range =>
            {
                var dash = range.IndexOf('-', StringComparison.Ordinal);
                var first = int.Parse(range.AsSpan(0, dash), CultureInfo.InvariantCulture);
                return Enumerable.Range(first, int.Parse(range.AsSpan(dash + 1), CultureInfo.InvariantCulture) - first + 1);
            }),
        ]);
}
