using System.Numerics;

namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>The tokens that may come next: their ids where they are few, a bit for each id of the vocabulary otherwise. Immutable.</summary>
internal sealed class TokenMask
{
    private readonly int[]? _ids;
    private readonly ulong[]? _bits;

    /// <param name="bits">One for each token, the lowest first; not kept.</param>
    public TokenMask(ReadOnlySpan<ulong> bits)
    {
        foreach (var word in bits)
        {
            Count += BitOperations.PopCount(word);
        }
        if (Count > bits.Length)
        {
            _bits = bits.ToArray();
            return;
        }
        _ids = new int[Count];
        var n = 0;
        for (var i = 0; i < bits.Length; i++)
        {
            for (var word = bits[i]; word != 0; word &= word - 1)
            {
                _ids[n++] = i * 64 + BitOperations.TrailingZeroCount(word);
            }
        }
    }

    public int Count { get; }

    public int Bytes => 48 + 4 * (_ids?.Length ?? 0) + 8 * (_bits?.Length ?? 0);

    public bool Allows(int token) => _ids is not null ? Array.BinarySearch(_ids, token) >= 0 : (_bits![token >> 6] >> token & 1) != 0;

    /// <summary>Sets every other token's logit to minus infinity.</summary>
    public void Apply(Span<float> logits)
    {
        if (_ids is not null)
        {
            ApplyIds(logits);
            return;
        }
        for (var i = 0; i < _bits!.Length; i++)
        {
            var word = _bits[i];
            var row = logits.Slice(i * 64, Math.Min(64, logits.Length - i * 64));
            if (word == 0)
            {
                row.Fill(float.NegativeInfinity);
            }
            else if (word != ulong.MaxValue)
            {
                for (var bit = 0; bit < row.Length; bit++)
                {
                    row[bit] = (word >> bit & 1) != 0 ? row[bit] : float.NegativeInfinity;
                }
            }
        }
    }

    private void ApplyIds(Span<float> logits)
    {
        Span<float> kept = _ids!.Length <= 1024 ? stackalloc float[_ids.Length] : new float[_ids.Length];
        for (var i = 0; i < _ids.Length; i++)
        {
            kept[i] = logits[_ids[i]];
        }
        logits.Fill(float.NegativeInfinity);
        for (var i = 0; i < _ids.Length; i++)
        {
            logits[_ids[i]] = kept[i];
        }
    }
}
