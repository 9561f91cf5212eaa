namespace Batch.Inference.Tokenizers.Chat;

/// <summary>A place in a template's tokens, moving forwards.</summary>
internal sealed class JinjaTokenReader(IReadOnlyList<JinjaToken> tokens)
{
    private int _at;

    public JinjaToken Current => tokens[_at];

    public int Line => Current.Line;

    public JinjaToken Next() => Current.Kind == JinjaTokenKind.End ? Current : tokens[_at++];

    public bool IsSymbol(string symbol) => Current.Kind == JinjaTokenKind.Symbol && Current.Text == symbol;

    public bool IsName(string name, int ahead = 0) =>
        _at + ahead < tokens.Count && tokens[_at + ahead] is { Kind: JinjaTokenKind.Name } token && token.Text == name;

    public bool TakeSymbol(string symbol) => Take(IsSymbol(symbol));

    public bool TakeName(string name) => Take(IsName(name));

    public void ExpectSymbol(string symbol)
    {
        if (!TakeSymbol(symbol))
        {
            throw Unexpected($"'{symbol}'");
        }
    }

    public void Expect(JinjaTokenKind kind, string wanted)
    {
        if (!Take(Current.Kind == kind))
        {
            throw Unexpected(wanted);
        }
    }

    public string ExpectName() => Current.Kind == JinjaTokenKind.Name ? Next().Text : throw Unexpected("a name");

    public InvalidDataException Unexpected(string wanted)
    {
        var seen = Current.Kind switch
        {
            JinjaTokenKind.End => "the end of the template",
            JinjaTokenKind.BlockEnd => "'%}'",
            JinjaTokenKind.OutputEnd => "'}}'",
            _ => $"'{Current.Text}'",
        };
        return JinjaError.At(Line, $"wanted {wanted}, saw {seen}");
    }

    private bool Take(bool holds)
    {
        if (holds)
        {
            Next();
        }
        return holds;
    }
}
