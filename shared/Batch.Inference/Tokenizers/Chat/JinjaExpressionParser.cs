using System.Globalization;

namespace Batch.Inference.Tokenizers.Chat;

/// <summary>
/// Reads expressions by recursive descent, loosest operator first: if, or, and, not, comparisons, + and -, ~, * and /, signs, **, then
/// members, calls, filters and tests.
/// </summary>
internal sealed class JinjaExpressionParser(JinjaTokenReader tokens)
{
    private const int MostDepth = 100; // of parentheses, lists and calls in each other

    private static readonly string[] Comparisons = ["==", "!=", "<", "<=", ">", ">="];

    private int _depth;

    public JinjaExpression Read()
    {
        if (++_depth > MostDepth)
        {
            throw JinjaError.At(tokens.Line, $"expressions more than {MostDepth} deep");
        }
        var value = ReadOr();
        while (tokens.TakeName("if"))
        {
            var condition = ReadOr();
            value = new JinjaConditional(condition, value, tokens.TakeName("else") ? Read() : null, condition.Line);
        }
        _depth--;
        return value;
    }

    /// <summary>One expression, or several with commas between them as a list.</summary>
    public JinjaExpression ReadTuple()
    {
        var first = Read();
        if (!tokens.IsSymbol(","))
        {
            return first;
        }
        var items = new List<JinjaExpression> { first };
        while (tokens.TakeSymbol(",") && !EndsTuple())
        {
            items.Add(Read());
        }
        return new JinjaList(items, first.Line);
    }

    private bool EndsTuple() =>
        tokens.IsSymbol(")") || tokens.Current.Kind is JinjaTokenKind.BlockEnd or JinjaTokenKind.OutputEnd;

    /// <summary>Without a trailing if, which belongs to the statement in "for x in items if …".</summary>
    public JinjaExpression ReadOr()
    {
        var left = ReadAnd();
        while (tokens.TakeName("or"))
        {
            left = new JinjaLogic(left, IsAnd: false, ReadAnd(), left.Line);
        }
        return left;
    }

    private JinjaExpression ReadAnd()
    {
        var left = ReadNot();
        while (tokens.TakeName("and"))
        {
            left = new JinjaLogic(left, IsAnd: true, ReadNot(), left.Line);
        }
        return left;
    }

    private JinjaExpression ReadNot()
    {
        var negations = 0;
        var line = tokens.Line;
        while (tokens.TakeName("not"))
        {
            negations++;
        }
        var operand = ReadComparison();
        for (; negations > 0; negations--)
        {
            operand = new JinjaNot(operand, line);
        }
        return operand;
    }

    private JinjaExpression ReadComparison()
    {
        var first = ReadSum();
        var rest = new List<(string, JinjaExpression)>();
        while (TakeComparison() is { } comparison)
        {
            rest.Add((comparison, ReadSum()));
        }
        return rest.Count == 0 ? first : new JinjaComparison(first, rest, first.Line);
    }

    private string? TakeComparison()
    {
        if (tokens.Current.Kind == JinjaTokenKind.Symbol && Comparisons.Contains(tokens.Current.Text))
        {
            return tokens.Next().Text;
        }
        if (tokens.IsName("not") && tokens.IsName("in", ahead: 1))
        {
            tokens.Next();
            tokens.Next();
            return "not in";
        }
        return tokens.TakeName("in") ? "in" : null;
    }

    private JinjaExpression ReadSum() => ReadLeftToRight(ReadConcatenation, "+", "-");

    private JinjaExpression ReadConcatenation() => ReadLeftToRight(ReadProduct, "~");

    private JinjaExpression ReadProduct() => ReadLeftToRight(() => ReadUnary(), "*", "/", "//", "%");

    private JinjaExpression ReadLeftToRight(Func<JinjaExpression> operand, params string[] operators)
    {
        var left = operand();
        while (tokens.Current.Kind == JinjaTokenKind.Symbol && operators.Contains(tokens.Current.Text))
        {
            left = new JinjaArithmetic(left, tokens.Next().Text, operand(), left.Line);
        }
        return left;
    }

    private JinjaExpression ReadUnary(bool withFilters = true)
    {
        var line = tokens.Line;
        if (tokens.IsSymbol("-") || tokens.IsSymbol("+"))
        {
            var sign = tokens.Next().Text;
            var number = new JinjaArithmetic(new JinjaLiteral(0L, line), sign, ReadDeeper(), line);
            return withFilters ? ReadFiltersAndTests(number) : number;
        }
        var value = ReadPostfix(ReadPrimary());
        if (tokens.TakeSymbol("**"))
        {
            value = new JinjaArithmetic(value, "**", ReadDeeper(), line);
        }
        return withFilters ? ReadFiltersAndTests(value) : value;
    }

    private JinjaExpression ReadDeeper()
    {
        if (++_depth > MostDepth)
        {
            throw JinjaError.At(tokens.Line, $"expressions more than {MostDepth} deep");
        }
        var operand = ReadUnary(withFilters: false);
        _depth--;
        return operand;
    }

    private JinjaExpression ReadPostfix(JinjaExpression value)
    {
        while (true)
        {
            var line = tokens.Line;
            if (tokens.TakeSymbol("."))
            {
                var key = tokens.Current.Kind == JinjaTokenKind.Integer ? ReadPrimary() : new JinjaLiteral(tokens.ExpectName(), line);
                value = new JinjaMember(value, key, line);
            }
            else if (tokens.TakeSymbol("["))
            {
                value = ReadSubscript(value, line);
            }
            else if (tokens.IsSymbol("("))
            {
                value = new JinjaCall(value, ReadArguments(), line);
            }
            else
            {
                return value;
            }
        }
    }

    private JinjaExpression ReadSubscript(JinjaExpression target, int line)
    {
        var bounds = new List<JinjaExpression?>();
        while (true)
        {
            bounds.Add(tokens.IsSymbol(":") || tokens.IsSymbol("]") ? null : Read());
            if (!tokens.TakeSymbol(":"))
            {
                break;
            }
        }
        if (bounds.Count > 3 || bounds is [null])
        {
            throw tokens.Unexpected("an index or start:stop:step");
        }
        tokens.ExpectSymbol("]");
        return bounds is [{ } key]
            ? new JinjaMember(target, key, line)
            : new JinjaSlice(target, bounds[0], bounds[1], bounds.ElementAtOrDefault(2), line);
    }

    private JinjaExpression ReadFiltersAndTests(JinjaExpression value)
    {
        while (true)
        {
            var line = tokens.Line;
            if (tokens.TakeSymbol("|"))
            {
                var name = tokens.ExpectName();
                value = ReadPostfix(new JinjaFilter(value, name, tokens.IsSymbol("(") ? ReadArguments() : NoArguments(line), line));
            }
            else if (tokens.TakeName("is"))
            {
                value = ReadTest(value, line);
            }
            else
            {
                return value;
            }
        }
    }

    private JinjaExpression ReadTest(JinjaExpression value, int line)
    {
        var negated = tokens.TakeName("not");
        var name = tokens.ExpectName();
        var arguments = tokens.IsSymbol("(") ? ReadArguments() : StartsOperand() ? ReadBareArgument(line) : NoArguments(line);
        var test = new JinjaTest(value, name, arguments, line);
        return negated ? new JinjaNot(test, line) : test;
    }

    /// <summary>In "x is divisibleby 3" the argument needs no parentheses.</summary>
    private bool StartsOperand() =>
        tokens.Current.Kind is JinjaTokenKind.String or JinjaTokenKind.Integer or JinjaTokenKind.Float
        || tokens.IsSymbol("[") || tokens.IsSymbol("{")
        || (tokens.Current is { Kind: JinjaTokenKind.Name, Text: not ("and" or "or" or "not" or "is" or "in" or "if" or "else") });

    private JinjaArgumentList ReadBareArgument(int line) => new([ReadPostfix(ReadPrimary())], [], line);

    private static JinjaArgumentList NoArguments(int line) => new([], [], line);

    private JinjaArgumentList ReadArguments()
    {
        var line = tokens.Line;
        var (positional, named) = (new List<JinjaExpression>(), new List<(string, JinjaExpression)>());
        tokens.ExpectSymbol("(");
        while (!tokens.IsSymbol(")"))
        {
            var value = Read();
            if (value is JinjaName name && tokens.TakeSymbol("="))
            {
                named.Add((name.Name, Read()));
            }
            else
            {
                positional.Add(value);
            }
            if (!tokens.TakeSymbol(","))
            {
                break;
            }
        }
        tokens.ExpectSymbol(")");
        return new JinjaArgumentList(positional, named, line);
    }

    private JinjaExpression ReadPrimary()
    {
        var token = tokens.Current;
        switch (token.Kind)
        {
            case JinjaTokenKind.String:
                return ReadStrings(token.Line);
            case JinjaTokenKind.Integer when long.TryParse(tokens.Next().Text, CultureInfo.InvariantCulture, out var integer):
                return new JinjaLiteral(integer, token.Line);
            case JinjaTokenKind.Float:
                return new JinjaLiteral(double.Parse(tokens.Next().Text, CultureInfo.InvariantCulture), token.Line);
            case JinjaTokenKind.Name:
                return ReadNameOrConstant(tokens.Next());
            case JinjaTokenKind.Symbol when tokens.TakeSymbol("("):
                var inner = tokens.IsSymbol(")") ? new JinjaList([], token.Line) : ReadTuple();
                tokens.ExpectSymbol(")");
                return inner;
            case JinjaTokenKind.Symbol when tokens.TakeSymbol("["):
                return ReadList(token.Line);
            case JinjaTokenKind.Symbol when tokens.TakeSymbol("{"):
                return ReadMap(token.Line);
            default:
                throw tokens.Unexpected("a value");
        }
    }

    /// <summary>Strings side by side are one.</summary>
    private JinjaLiteral ReadStrings(int line)
    {
        var text = "";
        while (tokens.Current.Kind == JinjaTokenKind.String)
        {
            text += tokens.Next().Text;
        }
        return new JinjaLiteral(text, line);
    }

    private static JinjaExpression ReadNameOrConstant(JinjaToken token) => token.Text switch
    {
        "true" or "True" => new JinjaLiteral(true, token.Line),
        "false" or "False" => new JinjaLiteral(false, token.Line),
        "none" or "None" => new JinjaLiteral(null, token.Line),
        _ => new JinjaName(token.Text, token.Line),
    };

    private JinjaList ReadList(int line)
    {
        var items = new List<JinjaExpression>();
        while (!tokens.IsSymbol("]"))
        {
            items.Add(Read());
            if (!tokens.TakeSymbol(","))
            {
                break;
            }
        }
        tokens.ExpectSymbol("]");
        return new JinjaList(items, line);
    }

    private JinjaMap ReadMap(int line)
    {
        var items = new List<(JinjaExpression, JinjaExpression)>();
        while (!tokens.IsSymbol("}"))
        {
            var key = Read();
            tokens.ExpectSymbol(":");
            items.Add((key, Read()));
            if (!tokens.TakeSymbol(","))
            {
                break;
            }
        }
        tokens.ExpectSymbol("}");
        return new JinjaMap(items, line);
    }
}
