namespace Batch.Jobs.Batches;

/// <summary>
/// Whose slice comes next: the highest priority; among tenants the one that was given least for its weight; of a tenant the batch with the
/// nearest deadline. A tenant that has as many tokens waiting and running as it may have is passed over.
/// </summary>
internal sealed class Admission
{
    private readonly List<BatchRow> _candidates;
    private readonly Dictionary<string, double> _served;
    private readonly Dictionary<string, long> _enqueued = new(StringComparer.Ordinal);
    private readonly BatchOptions _options;

    /// <param name="active">Every batch that is not done with.</param>
    /// <param name="served">What each tenant was given so far, tokens over weight; kept up to date here.</param>
    /// <param name="options">Weights and caps.</param>
    public Admission(IReadOnlyCollection<BatchRow> active, Dictionary<string, double> served, BatchOptions options)
    {
        (_served, _options) = (served, options);
        _candidates = [.. active.Where(IsCandidate).OrderByDescending(row => row.Priority).ThenBy(row => row.ExpiresAt).ThenBy(row => row.CreatedAt).ThenBy(row => row.Id, StringComparer.Ordinal)];
        foreach (var row in active.Where(row => !row.IsFinal))
        {
            _enqueued[row.Tenant] = _enqueued.GetValueOrDefault(row.Tenant) + row.AdmittedTokens - row.SettledTokens;
        }

        // Who comes anew, or comes back, starts where the others are: nothing is owed for time away.
        var tenants = _candidates.Select(row => row.Tenant).ToHashSet(StringComparer.Ordinal);
        foreach (var gone in _served.Keys.Where(tenant => !_enqueued.ContainsKey(tenant)).ToList())
        {
            _served.Remove(gone);
        }

        var least = _served.Where(pair => tenants.Contains(pair.Key)).Select(pair => pair.Value).DefaultIfEmpty(0).Min();
        foreach (var tenant in tenants.Where(tenant => !_served.ContainsKey(tenant)))
        {
            _served[tenant] = least;
        }
    }

    /// <summary>The batches that wait for admission, as they would be taken if tenants did not matter.</summary>
    public IReadOnlyList<BatchRow> Candidates => _candidates;

    public static bool IsCandidate(BatchRow row) =>
        row is { State: BatchState.InProgress, Paused: false, Ending: null } && row.Admitted < row.Slices;

    public bool IsCapped(string tenant) => _enqueued.GetValueOrDefault(tenant) >= _options.MaxEnqueuedTokens;

    /// <summary>The batch to take a slice of; null when there is none.</summary>
    public BatchRow? Next()
    {
        BatchRow? best = null;
        foreach (var row in _candidates)
        {
            if (best is not null && row.Priority < best.Priority)
            {
                break;
            }

            if (!IsCapped(row.Tenant) && (best is null || _served[row.Tenant] < _served[best.Tenant]))
            {
                best = row;
            }
        }

        return best;
    }

    /// <summary>Notes that a slice of <paramref name="tokens"/> was taken, the batch's last where <paramref name="isLast"/>.</summary>
    public void Take(BatchRow row, long tokens, bool isLast)
    {
        _served[row.Tenant] += tokens / _options.WeightOf(row.Tenant);
        _enqueued[row.Tenant] = _enqueued.GetValueOrDefault(row.Tenant) + tokens;
        if (isLast)
        {
            _candidates.Remove(row);
        }
    }
}
