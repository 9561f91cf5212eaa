using System.Collections;

namespace Batch.Inference.Engine;

/// <summary>Sequences in line: highest priority first, then order of arrival.</summary>
internal sealed class SequenceLine : IEnumerable<Sequence>
{
    /// <summary>Less is ahead.</summary>
    public static readonly Comparer<Sequence> Order = Comparer<Sequence>.Create((a, b) =>
        a.Request.Priority != b.Request.Priority ? b.Request.Priority.CompareTo(a.Request.Priority) : a.Arrival.CompareTo(b.Arrival));

    private readonly List<Sequence> _line = [];

    public int Count => _line.Count;

    public Sequence this[int at] => _line[at];

    public void Add(Sequence sequence) => _line.Insert(~_line.BinarySearch(sequence, Order), sequence);

    /// <summary>Removes the sequence if it is in this line.</summary>
    public void Remove(Sequence sequence)
    {
        if (_line.BinarySearch(sequence, Order) is >= 0 and var at)
        {
            _line.RemoveAt(at);
        }
    }

    public Sequence? FindCancelled() => _line.Find(s => s.CancelRequested);

    public IEnumerator<Sequence> GetEnumerator() => _line.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
