using System.Runtime.InteropServices;
using Batch.ModelTrainer.Corpus;
using Batch.ModelTrainer.Tokenizer;

namespace Batch.ModelTrainer.Training;

/// <summary>The training text as one array of ids, each document behind an end of text, and a position in it.</summary>
internal sealed class TokenStream(ushort[] tokens)
{
    // A window that cut a document with fewer tokens than this to go leaves them out, so that the next window begins at a document.
    private const int LeaveOut = 96;

    public int Length => tokens.Length;

    /// <summary>Where the next window begins. Together with the array this is the whole state.</summary>
    public int Position { get; set; }

    public static TokenStream Draw(CorpusText corpus, BpeEncoder encoder, int length)
    {
        var tokens = new List<ushort>(length + 4096);
        List<int> ids = [];
        foreach (var document in corpus.Documents(text => (ids = encoder.Encode(text)).Count))
        {
            // The source counts the document's tokens before it hands the document over: ids are those of this document.
            tokens.Add(Vocabulary.EndOfText);
            foreach (var id in ids)
            {
                tokens.Add((ushort)id);
            }
            if (tokens.Count >= length)
            {
                break;
            }
        }
        return new TokenStream([.. tokens]);
    }

    public static TokenStream Read(string file) => new([.. MemoryMarshal.Cast<byte, ushort>(File.ReadAllBytes(file))]);

    public void Write(string file) => File.WriteAllBytes(file, MemoryMarshal.AsBytes(tokens.AsSpan()));

    /// <summary>The next <paramref name="count"/> windows of <paramref name="time"/> + 1 tokens, flat; begins again after the last token.</summary>
    public long[] Windows(int count, int time)
    {
        var windows = new long[count * (time + 1)];
        for (var i = 0; i < count; i++)
        {
            if (Position + time + 1 + LeaveOut >= tokens.Length)
            {
                Position = 0;
            }
            for (var t = 0; t <= time; t++)
            {
                windows[i * (time + 1) + t] = tokens[Position + t];
            }
            Position = NextStart(Position + time);
        }
        return windows;
    }

    /// <summary>
    /// The next document's start where one is near, else right here. Half of the windows that begin a document begin without its end of text,
    /// because a prompt reaches the model without one.
    /// </summary>
    private int NextStart(int at)
    {
        var end = Array.IndexOf(tokens, (ushort)Vocabulary.EndOfText, at, LeaveOut);
        return end < 0 ? at : end + end % 2;
    }
}
