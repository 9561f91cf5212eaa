using System.Text;
using System.Text.Json;

namespace Batch.Jobs.Batches;

/// <summary>How one line ended, and its line in the output or error file.</summary>
internal sealed record LineOutcome(LineState State, string Json, string? ErrorCode = null, int InputTokens = 0, int CachedTokens = 0, int OutputTokens = 0);

/// <summary>
/// How the lines of a slice ended: what its outcome blob holds, and what a pass adds to the batch. The first one that is written stands.
/// </summary>
internal sealed record SliceOutcome
{
    public int Succeeded { get; init; }
    public int Errored { get; init; }
    public int Cancelled { get; init; }
    public int Expired { get; init; }
    public long InputTokens { get; init; }
    public long CachedTokens { get; init; }
    public long OutputTokens { get; init; }

    /// <summary>What the slice was counted for when it was admitted.</summary>
    public long SettledTokens { get; init; }
    public SortedDictionary<string, int> Errors { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Whole lines, each with its line feed.</summary>
    public string Output { get; init; } = "";
    public string ErrorOutput { get; init; } = "";

    public static SliceOutcome Of(IReadOnlyList<LineOutcome> lines, long settledTokens)
    {
        var (output, errors, codes) = (new StringBuilder(), new StringBuilder(), new SortedDictionary<string, int>(StringComparer.Ordinal));
        foreach (var line in lines)
        {
            (line.State == LineState.Succeeded ? output : errors).Append(line.Json).Append('\n');
            if (line.ErrorCode is { } code)
            {
                codes[code] = codes.GetValueOrDefault(code) + 1;
            }
        }

        return new SliceOutcome
        {
            Succeeded = lines.Count(line => line.State == LineState.Succeeded),
            Errored = lines.Count(line => line.State == LineState.Errored),
            Cancelled = lines.Count(line => line.State == LineState.Cancelled),
            Expired = lines.Count(line => line.State == LineState.Expired),
            InputTokens = lines.Sum(line => (long)line.InputTokens),
            CachedTokens = lines.Sum(line => (long)line.CachedTokens),
            OutputTokens = lines.Sum(line => (long)line.OutputTokens),
            SettledTokens = settledTokens,
            Errors = codes,
            Output = output.ToString(),
            ErrorOutput = errors.ToString(),
        };
    }

    /// <summary>The batch with these lines in its counts, the speed measured anew.</summary>
    public static BatchRow AddTo(BatchRow row, IReadOnlyCollection<SliceOutcome> outcomes, DateTimeOffset now)
    {
        var codes = row.ErrorCounts is null
            ? new SortedDictionary<string, int>(StringComparer.Ordinal)
            : JsonSerializer.Deserialize<SortedDictionary<string, int>>(row.ErrorCounts)!;
        foreach (var (code, count) in outcomes.SelectMany(outcome => outcome.Errors))
        {
            codes[code] = codes.GetValueOrDefault(code) + count;
        }

        var (lines, tokens) = (outcomes.Sum(o => o.Succeeded + o.Errored), outcomes.Sum(o => o.OutputTokens));
        var seconds = Math.Max((now - (row.RateAt ?? row.InProgressAt ?? now)).TotalSeconds, 0.001);

        // A mean over about the last minute, of all time while that is shorter.
        var kept = row.RateAt is null ? 0 : Math.Exp(-seconds / 60);
        return row with
        {
            Succeeded = row.Succeeded + outcomes.Sum(o => o.Succeeded),
            Errored = row.Errored + outcomes.Sum(o => o.Errored),
            CancelledLines = row.CancelledLines + outcomes.Sum(o => o.Cancelled),
            ExpiredLines = row.ExpiredLines + outcomes.Sum(o => o.Expired),
            InputTokens = row.InputTokens + outcomes.Sum(o => o.InputTokens),
            CachedTokens = row.CachedTokens + outcomes.Sum(o => o.CachedTokens),
            OutputTokens = row.OutputTokens + tokens,
            SettledTokens = row.SettledTokens + outcomes.Sum(o => o.SettledTokens),
            ErrorCounts = codes.Count == 0 ? null : JsonSerializer.Serialize(codes),
            RateAt = now,
            LinesPerSecond = (kept * row.LinesPerSecond) + ((1 - kept) * lines / seconds),
            TokensPerSecond = (kept * row.TokensPerSecond) + ((1 - kept) * tokens / seconds),
        };
    }
}
