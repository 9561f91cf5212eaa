using System.Runtime.InteropServices;

namespace Batch.Inference.Engine.Logits;

/// <summary>How often each token stands in a prompt and in its text.</summary>
internal sealed class TokenCounts
{
    private readonly Dictionary<int, Times> _times = [];

    public TokenCounts(IReadOnlyList<int> prompt)
    {
        foreach (var token in prompt)
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_times, token, out _).InPrompt++;
        }
    }

    public void Add(int token) => CollectionsMarshal.GetValueRefOrAddDefault(_times, token, out _).InText++;

    /// <summary>Takes back an <see cref="Add"/>.</summary>
    public void Remove(int token)
    {
        ref var times = ref CollectionsMarshal.GetValueRefOrNullRef(_times, token);
        times.InText--;
        if (times is { InPrompt: 0, InText: 0 })
        {
            _times.Remove(token);
        }
    }

    public Dictionary<int, Times>.Enumerator GetEnumerator() => _times.GetEnumerator();

    internal struct Times
    {
        public int InPrompt;
        public int InText;
    }
}
