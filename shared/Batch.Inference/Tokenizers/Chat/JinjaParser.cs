namespace Batch.Inference.Tokenizers.Chat;

/// <summary>Reads a template's statements.</summary>
internal sealed class JinjaParser
{
    private const int MostDepth = 100; // of statements in each other

    private readonly JinjaTokenReader _tokens;
    private readonly JinjaExpressionParser _expressions;
    private int _depth;

    private JinjaParser(string source)
    {
        _tokens = new JinjaTokenReader(JinjaLexer.Read(source));
        _expressions = new JinjaExpressionParser(_tokens);
    }

    public static JinjaBlock Read(string source) => new JinjaParser(source).ReadBlock();

    /// <summary>Up to, and without, the tag of one of these names; to the end of the template where there is none.</summary>
    private JinjaBlock ReadBlock(params string[] ends)
    {
        var line = _tokens.Line;
        if (++_depth > MostDepth)
        {
            throw JinjaError.At(line, $"statements more than {MostDepth} deep");
        }
        var statements = new List<JinjaStatement>();
        while (true)
        {
            var token = _tokens.Next();
            switch (token.Kind)
            {
                case JinjaTokenKind.Text:
                    statements.Add(new JinjaText(token.Text, token.Line));
                    break;
                case JinjaTokenKind.OutputStart:
                    statements.Add(new JinjaOutput(_expressions.ReadTuple(), token.Line));
                    _tokens.Expect(JinjaTokenKind.OutputEnd, "'}}'");
                    break;
                case JinjaTokenKind.BlockStart when Array.Exists(ends, end => _tokens.IsName(end)):
                    _depth--;
                    return new JinjaBlock(statements, line);
                case JinjaTokenKind.BlockStart:
                    statements.Add(ReadStatement());
                    break;
                default:
                    _depth--;
                    return ends.Length == 0
                        ? new JinjaBlock(statements, line)
                        : throw JinjaError.At(line, $"wanted {string.Join(" or ", ends)}, saw the end of the template");
            }
        }
    }

    private JinjaStatement ReadStatement()
    {
        var line = _tokens.Line;
        var name = _tokens.ExpectName();
        switch (name)
        {
            case "if":
                return ReadIf(line);
            case "for":
                return ReadFor(line);
            case "set":
                return ReadSet(line);
            case "macro":
                return ReadMacro(line);
            case "break" or "continue":
                EndTag();
                return new JinjaJump(name == "break" ? JinjaFlow.Break : JinjaFlow.Continue, line);
            case "generation": // marks what training learns from
                EndTag();
                return ReadBody("endgeneration");
            default:
                throw JinjaError.At(line, $"statement '{name}' is not supported");
        }
    }

    private JinjaIf ReadIf(int line)
    {
        var branches = new List<(JinjaExpression?, JinjaBlock)>();
        var condition = _expressions.ReadTuple();
        EndTag();
        while (true)
        {
            branches.Add((condition, condition is null ? ReadBlock("endif") : ReadBlock("elif", "else", "endif")));
            var end = _tokens.ExpectName();
            condition = end == "elif" ? _expressions.ReadTuple() : null;
            EndTag();
            if (end == "endif")
            {
                return new JinjaIf(branches, line);
            }
        }
    }

    private JinjaFor ReadFor(int line)
    {
        var names = ReadNames();
        if (!_tokens.TakeName("in"))
        {
            throw _tokens.Unexpected("'in'");
        }
        var source = _expressions.ReadOr();
        var filter = _tokens.TakeName("if") ? _expressions.ReadOr() : null;
        EndTag();
        var body = ReadBlock("else", "endfor");
        JinjaBlock? otherwise = null;
        if (_tokens.ExpectName() == "else")
        {
            EndTag();
            otherwise = ReadBlock("endfor");
            _tokens.ExpectName();
        }
        EndTag();
        return new JinjaFor(names, source, filter, body, otherwise, line);
    }

    private JinjaSet ReadSet(int line)
    {
        var names = ReadNames();
        var member = _tokens.TakeSymbol(".") ? _tokens.ExpectName() : null;
        if (_tokens.TakeSymbol("="))
        {
            var value = _expressions.ReadTuple();
            EndTag();
            return new JinjaSet(names, member, value, null, line);
        }
        EndTag();
        return new JinjaSet(names, member, null, ReadBody("endset"), line);
    }

    private JinjaMacro ReadMacro(int line)
    {
        var name = _tokens.ExpectName();
        var parameters = new List<(string, JinjaExpression?)>();
        _tokens.ExpectSymbol("(");
        while (!_tokens.IsSymbol(")"))
        {
            parameters.Add((_tokens.ExpectName(), _tokens.TakeSymbol("=") ? _expressions.Read() : null));
            if (!_tokens.TakeSymbol(","))
            {
                break;
            }
        }
        _tokens.ExpectSymbol(")");
        EndTag();
        return new JinjaMacro(name, parameters, ReadBody("endmacro"), line);
    }

    private JinjaBlock ReadBody(string end)
    {
        var body = ReadBlock(end);
        _tokens.ExpectName();
        EndTag();
        return body;
    }

    private List<string> ReadNames()
    {
        var parenthesised = _tokens.TakeSymbol("(");
        var names = new List<string> { _tokens.ExpectName() };
        while (_tokens.TakeSymbol(","))
        {
            names.Add(_tokens.ExpectName());
        }
        if (parenthesised)
        {
            _tokens.ExpectSymbol(")");
        }
        return names;
    }

    private void EndTag() => _tokens.Expect(JinjaTokenKind.BlockEnd, "'%}'");
}
