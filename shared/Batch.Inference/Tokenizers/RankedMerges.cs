using System.Text;

namespace Batch.Inference.Tokenizers;

/// <summary>Says which neighbours may merge, into which token, and how good that is: lower ranks first.</summary>
internal interface IMergeRules
{
    /// <param name="left">Id of the left symbol, -1 where it is no token.</param>
    /// <param name="right">Id of the right symbol, -1 where it is no token.</param>
    /// <param name="joined">The text of both.</param>
    /// <param name="id">The token they merge into.</param>
    /// <param name="rank">Lower merges first; of equals the leftmost.</param>
    bool TryMerge(int left, int right, ReadOnlySpan<char> joined, out int id, out double rank);
}

/// <summary>
/// Byte-pair encoding over characters, the way sentencepiece and Llama 2's tokenizer.json do it: the best pair anywhere in the text merges,
/// leftmost of equals, in O(n log n); what is no token falls back to its bytes. Own code because the library breaks ties of equal
/// scores another way and knows no byte fallback.
/// </summary>
internal sealed class RankedMerges(SymbolTable symbols, IMergeRules rules) : ITokenModel
{
    private const int Gone = -2;

    private struct Symbol
    {
        public int Id, Start, Length, Previous, Next;
        public bool Whole; // takes no part in merges
    }

    private readonly record struct Candidate(int Left, int LeftId, int Right, int RightId, int MergedId);

    public void Encode(ReadOnlySpan<char> piece, List<int> ids)
    {
        var row = Lay(piece);
        var candidates = new PriorityQueue<Candidate, (double Rank, int Position)>();
        for (var right = 1; right < row.Length; right++)
        {
            Offer(piece, row, right - 1, right, candidates);
        }
        while (candidates.TryDequeue(out var best, out _))
        {
            ref var left = ref row[best.Left];
            ref var right = ref row[best.Right];
            if (left.Id != best.LeftId || left.Next != best.Right || right.Id != best.RightId)
            {
                continue; // one of them has merged with another neighbour since
            }
            left.Id = best.MergedId;
            left.Length += right.Length;
            left.Next = right.Next;
            right.Id = Gone;
            if (left.Next < row.Length)
            {
                row[left.Next].Previous = best.Left;
            }
            Offer(piece, row, left.Previous, best.Left, candidates);
            Offer(piece, row, best.Left, left.Next, candidates);
        }
        Emit(piece, row, ids);
    }

    /// <summary>One symbol per character, but for fixed words of the model, which stay whole.</summary>
    private Symbol[] Lay(ReadOnlySpan<char> piece)
    {
        var row = new Symbol[piece.Length];
        var count = 0;
        for (var start = 0; start < piece.Length; count++)
        {
            var length = symbols.FixedWordLength(piece[start..]);
            var whole = length > 0;
            if (!whole)
            {
                Rune.DecodeFromUtf16(piece[start..], out _, out length);
            }
            var id = symbols.Find(piece.Slice(start, length));
            row[count] = new Symbol { Id = id, Start = start, Length = length, Previous = count - 1, Next = count + 1, Whole = whole };
            start += length;
        }
        return row.AsSpan(0, count).ToArray();
    }

    private void Offer(
        ReadOnlySpan<char> piece, Symbol[] row, int left, int right, PriorityQueue<Candidate, (double Rank, int Position)> candidates)
    {
        if (left < 0 || right >= row.Length || row[left].Whole || row[right].Whole)
        {
            return;
        }
        var (l, r) = (row[left], row[right]);
        if (rules.TryMerge(l.Id, r.Id, piece.Slice(l.Start, l.Length + r.Length), out var merged, out var rank))
        {
            candidates.Enqueue(new Candidate(left, l.Id, right, r.Id, merged), (rank, left));
        }
    }

    private void Emit(ReadOnlySpan<char> piece, Symbol[] row, List<int> ids)
    {
        var afterUnknown = false;
        for (var i = 0; i < row.Length; i = row[i].Next)
        {
            if (row[i].Id >= 0)
            {
                ids.Add(row[i].Id);
                afterUnknown = false;
                continue;
            }
            afterUnknown = symbols.AddUnknown(piece.Slice(row[i].Start, row[i].Length), afterUnknown, ids);
        }
    }
}
