namespace Batch.Jobs.Retention;

/// <summary>A kind of thing that is kept for a time and then removed, with all that belongs to it.</summary>
public interface IExpiring
{
    /// <summary>A word of the index, such as <c>job</c>.</summary>
    string Kind { get; }

    /// <summary>How long after the time in its entry a thing is looked at.</summary>
    TimeSpan Life { get; }

    /// <summary>
    /// Removes the thing and what belongs to it, the row that makes it exist last, and gives null; or gives the later time from which its life counts, where it is not over. Safe to repeat, and to
    /// do twice at once: what is gone already is no error.
    /// </summary>
    Task<DateTimeOffset?> ExpireAsync(Expiry entry, DateTimeOffset now, CancellationToken cancellationToken);
}
