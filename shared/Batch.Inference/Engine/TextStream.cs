using System.Text;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Engine;

/// <summary>
/// Turns a sequence's tokens into text to hand out. Holds back a character whose bytes are not all there, and any end of the text that may still become
/// a stop string, so that a stop string never leaks and no character breaks.
/// </summary>
/// <param name="tokenizer">The model's.</param>
/// <param name="stop">Strings that end the text before them.</param>
/// <param name="continuesText">The prompt holds text, so a leading space belongs to the continuation.</param>
internal sealed class TextStream(HfTokenizer tokenizer, IReadOnlyList<string> stop, bool continuesText = false)
{
    private readonly IncrementalDecoder _decoder = new(tokenizer, continuesText: continuesText);
    private readonly StringBuilder _held = new();

    /// <summary>Takes a token; returns the text that is now certain.</summary>
    /// <param name="mayStop">False while stop strings do not count (min_tokens).</param>
    /// <param name="stopped">True when a stop string was completed; the returned text ends before it.</param>
    public string Append(int token, bool mayStop, out bool stopped)
    {
        _held.Append(_decoder.Append(token));
        return Release(mayStop, out stopped);
    }

    /// <summary>
    /// The rest of the text, when it ends for another reason than a stop string. A character of which the limit left only the first bytes is dropped.
    /// </summary>
    public string Flush(bool mayStop, out bool stopped)
    {
        var text = Release(mayStop, out stopped);
        if (!stopped)
        {
            text += _held.ToString();
            _held.Clear();
        }
        return text;
    }

    private string Release(bool mayStop, out bool stopped)
    {
        var text = _held.ToString();
        stopped = false;
        var certain = text.Length;
        if (mayStop && stop.Count > 0)
        {
            var at = stop.Select(s => text.IndexOf(s, StringComparison.Ordinal)).Where(i => i >= 0).DefaultIfEmpty(-1).Min();
            stopped = at >= 0;
            certain = stopped ? at : text.Length - stop.Max(s => Overlap(text, s));
        }
        _held.Clear();
        if (!stopped)
        {
            _held.Append(text, certain, text.Length - certain);
        }
        return text[..certain];
    }

    // Length of the longest end of the text that begins the stop string.
    private static int Overlap(string text, string stop)
    {
        for (var length = Math.Min(text.Length, stop.Length - 1); length > 0; length--)
        {
            if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
            {
                return length;
            }
        }
        return 0;
    }
}
