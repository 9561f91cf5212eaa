using System.Runtime.InteropServices;

namespace Batch.Inference.Engine.Logits;

/// <summary>How often each token stands in a prompt and in its text.</summary>
internal sealed class TokenCounts
{
    private readonly Dictionary<int, Times> _times = [];

    /// <param name="tokens">Of the prompt, then of the text.</param>
    /// <param name="prompt">How many are the prompt's.</param>
    public TokenCounts(List<int> tokens, int prompt)
    {
        foreach (var token in CollectionsMarshal.AsSpan(tokens)[..prompt])
        {
            CollectionsMarshal.GetValueRefOrAddDefault(_times, token, out _).InPrompt++;
        }
        foreach (var token in CollectionsMarshal.AsSpan(tokens)[prompt..])
        {
            Add(token);
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
