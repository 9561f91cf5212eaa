using System.Text;

namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>A language over text, as regular expressions and schemas are read into it: a regular expression that may call rules.</summary>
internal abstract record Expression
{
    // Schemas and choices are made of these: one object for each character that there is, not for each that is written.
    private static readonly Characters[] Ascii = [.. Enumerable.Range(0, 128).Select(c => new Characters(CharacterSet.Of(new Rune(c))))];

    public static Expression Nothing { get; } = new Alternatives([]);

    public static Expression Empty { get; } = new Sequence([]);

    /// <summary>Exactly this text; no lone surrogates.</summary>
    public static Expression Text(string text) => new Sequence([.. text.EnumerateRunes().Select(rune => rune.IsAscii ? Ascii[rune.Value] : new Characters(CharacterSet.Of(rune)))]);

    public static Expression Of(CharacterSet set) => new Characters(set);

    public static Expression Then(params Expression[] items) => new Sequence(items);

    public static Expression Either(params Expression[] items) => new Alternatives(items);

    public static Expression Optional(Expression item) => new Repeat(item, 0, 1);

    /// <summary>One character of the set.</summary>
    public sealed record Characters(CharacterSet Set) : Expression;

    /// <summary>One byte from first to last.</summary>
    public sealed record Bytes(byte First, byte Last) : Expression;

    public sealed record Sequence(IReadOnlyList<Expression> Items) : Expression;

    public sealed record Alternatives(IReadOnlyList<Expression> Items) : Expression;

    /// <param name="Most">Null: without end.</param>
    public sealed record Repeat(Expression Item, int Least, int? Most) : Expression;

    /// <summary>Whatever the rule of that number holds, which is never the empty text.</summary>
    public sealed record Call(int Rule) : Expression;

    /// <summary>The texts along the paths from state 0 to the last state.</summary>
    public sealed record Graph(int States, IReadOnlyList<Edge> Edges) : Expression;

    public sealed record Edge(int From, Expression Label, int To);
}
