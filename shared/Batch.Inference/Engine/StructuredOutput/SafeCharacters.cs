namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>The characters that a JSON string holds as they are, but for DEL: most tokens are made of nothing else.</summary>
internal static class SafeCharacters
{
    // UTF-8's well-formed byte sequences, Unicode 3.9 table 3-7, by first byte, second byte and number of further bytes.
    private static readonly (byte First, byte Last, byte SecondFirst, byte SecondLast, int Further)[] LongForms =
    [
        (0xC2, 0xDF, 0x80, 0xBF, 0), (0xE0, 0xE0, 0xA0, 0xBF, 1), (0xE1, 0xEC, 0x80, 0xBF, 1), (0xED, 0xED, 0x80, 0x9F, 1),
        (0xEE, 0xEF, 0x80, 0xBF, 1), (0xF0, 0xF0, 0x90, 0xBF, 2), (0xF1, 0xF3, 0x80, 0xBF, 2), (0xF4, 0xF4, 0x80, 0x8F, 2),
    ];

    /// <summary>How many safe characters the bytes are, or -1 when they are anything else.</summary>
    public static int Count(ReadOnlySpan<byte> bytes)
    {
        var count = 0;
        while (bytes.Length > 0)
        {
            if (System.Text.Rune.DecodeFromUtf8(bytes, out var rune, out var length) != System.Buffers.OperationStatus.Done
                || rune.Value is < 0x20 or '"' or '\\' or 0x7F)
            {
                return -1;
            }
            bytes = bytes[length..];
            count++;
        }
        return count;
    }

    /// <summary>The one state that every safe character leads to, or -1 where there is no such state.</summary>
    public static int Follow(Grammar grammar, int state)
    {
        var end = grammar.Step(state, (byte)' ');
        for (var b = 0x20; end >= 0 && b < 0x7F; b++)
        {
            end = b is '"' or '\\' || grammar.Step(state, (byte)b) == end ? end : -1;
        }
        return end >= 0 && Array.TrueForAll(LongForms, form => LeadsTo(grammar, state, end, form)) ? end : -1;
    }

    private static bool LeadsTo(Grammar grammar, int state, int end, (byte First, byte Last, byte SecondFirst, byte SecondLast, int Further) form)
    {
        HashSet<int> states = [];
        for (var b = form.First; b <= form.Last; b++)
        {
            states.Add(grammar.Step(state, b));
        }
        states = After(grammar, states, form.SecondFirst, form.SecondLast);
        for (var i = 0; i < form.Further; i++)
        {
            states = After(grammar, states, 0x80, 0xBF);
        }
        return states.SetEquals([end]);
    }

    private static HashSet<int> After(Grammar grammar, HashSet<int> states, byte first, byte last)
    {
        HashSet<int> after = [];
        foreach (var state in states)
        {
            for (int b = first; b <= last; b++)
            {
                after.Add(state < 0 ? -1 : grammar.Step(state, (byte)b));
            }
        }
        return after;
    }
}
