using System.Text;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Engine;

/// <summary>
/// Turns a sequence's tokens into text to hand out. Holds back a character whose bytes are not all there, and any end of the text that may still become
/// a stop string, so that a stop string never leaks and no character breaks. Where the text ends does not depend on the borders of its tokens: at the stop
/// string that is completed first, of two that one character completes at the longer.
/// </summary>
/// <param name="tokenizer">The model's.</param>
/// <param name="stop">Strings that end the text before them.</param>
/// <param name="continuesText">The prompt holds text, so a leading space belongs to the continuation.</param>
/// <param name="includeStop">The stop string stays in the text.</param>
/// <param name="skipSpecialTokens">Special tokens give no text.</param>
internal sealed class TextStream(
    HfTokenizer tokenizer, IReadOnlyList<string> stop, bool continuesText = false, bool includeStop = false, bool skipSpecialTokens = true)
{
    private IncrementalDecoder _decoder = new(tokenizer, skipSpecialTokens, continuesText);
    private readonly StringBuilder _held = new();
    private int _exempt; // so many of the held characters complete no stop string
    private int _released; // characters handed out

    /// <summary>Takes a token; returns the text that is now certain.</summary>
    /// <param name="token">The next token.</param>
    /// <param name="mayStop">False while this token completes no stop string (min_tokens).</param>
    /// <param name="stopped">The stop string that ends the text; the returned text is then the last.</param>
    public string Append(int token, bool mayStop, out string? stopped)
    {
        _held.Append(_decoder.Append(token));
        _exempt = mayStop ? _exempt : _held.Length;
        var text = stop.Count == 0 ? ReleaseAll(out stopped) : Release(out stopped);
        _released += text.Length;
        return text;
    }

    /// <summary>Goes back to where the stream was after these tokens, the first of the text.</summary>
    /// <param name="minTokens">So many tokens completed no stop string.</param>
    /// <returns>How many of the characters handed out are taken back.</returns>
    public int Rewind(ReadOnlySpan<int> tokens, int minTokens)
    {
        var before = _released;
        (_decoder, _exempt, _released) = (new IncrementalDecoder(tokenizer, skipSpecialTokens, continuesText), 0, 0);
        _held.Clear();
        for (var i = 0; i < tokens.Length; i++)
        {
            Append(tokens[i], mayStop: i + 1 > minTokens, out _);
        }
        return before - _released;
    }

    /// <summary>The rest, when the text ends for another reason than a stop string. A character of which only the first bytes are there is dropped.</summary>
    public string Flush() => ReleaseAll(out _);

    private string ReleaseAll(out string? stopped)
    {
        stopped = null;
        var text = _held.ToString();
        _held.Clear();
        return text;
    }

    private string Release(out string? stopped)
    {
        var text = _held.ToString();
        int certain;
        if (FindStop(text) is var (found, end))
        {
            stopped = found;
            certain = includeStop ? end : end - found.Length;
        }
        else
        {
            stopped = null;
            certain = text.Length - stop.Max(s => Overlap(text, s));
        }
        _held.Remove(0, certain);
        _exempt = Math.Max(0, _exempt - certain);
        return text[..certain];
    }

    // The stop string that is completed first, and where it ends.
    private (string Stop, int End)? FindStop(string text)
    {
        (string Stop, int End)? first = null;
        foreach (var s in stop)
        {
            var from = Math.Max(0, _exempt - s.Length + 1);
            var at = from < text.Length ? text.IndexOf(s, from, StringComparison.Ordinal) : -1;
            if (at >= 0 && (first is not var (best, end) || at + s.Length < end || (at + s.Length == end && s.Length > best.Length)))
            {
                first = (s, at + s.Length);
            }
        }
        return first;
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
