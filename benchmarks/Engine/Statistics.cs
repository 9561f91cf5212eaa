namespace Batch.Benchmarks.Engine;

internal static class Statistics
{
    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>A ratio of each round: the median, and in brackets the smallest and the largest.</summary>
    public static string Spread(IReadOnlyCollection<double> ratios) => $"{Median(ratios):F2} ({ratios.Min():F2} to {ratios.Max():F2})";
}
