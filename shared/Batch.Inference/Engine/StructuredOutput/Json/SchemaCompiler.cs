using System.Text;
using System.Text.Json;

namespace Batch.Inference.Engine.StructuredOutput.Json;

/// <summary>
/// From a JSON Schema to the rules of its grammar. The texts are a part of what the schema allows, never more: properties come in the schema's order,
/// properties that it does not list come only where additionalProperties or nothing at all is said about them, numbers and white space are bounded.
/// </summary>
internal sealed class SchemaCompiler
{
    private const int DeepestSchema = 256;

    private readonly SchemaDocument _document;
    private readonly SchemaDisjoint _disjoint;
    private readonly SchemaStrings _strings;
    private readonly List<Expression> _rules = [];
    private readonly List<int> _nesting = [];
    private readonly Dictionary<string, int> _known = [];
    private readonly Queue<(int Rule, SchemaPart Schema)> _pending = [];
    private readonly CharacterSet _alphabet;
    private readonly CompileBudget _budget;
    private readonly int _string;

    private SchemaCompiler(JsonElement schema, CharacterSet alphabet, CompileBudget budget)
    {
        (_document, _alphabet, _budget) = (new SchemaDocument(schema, budget), alphabet, budget);
        _disjoint = new SchemaDisjoint(_document);
        _string = Add(JsonSyntax.Quoted(new Expression.Repeat(JsonSyntax.AnyCharacter, 0, null)));
        _strings = new SchemaStrings(new Expression.Call(_string), new Expression.Call(Add(JsonSyntax.AnyCharacter)), alphabet, budget);
    }

    /// <param name="json">The schema.</param>
    /// <returns>Null where nothing is valid.</returns>
    public static Grammar? Compile(string json, CharacterSet alphabet, CompileBudget budget)
    {
        using var document = Parse(json);
        return Compile(document.RootElement, alphabet, budget);
    }

    private static Grammar? Compile(JsonElement schema, CharacterSet alphabet, CompileBudget budget)
    {
        var compiler = new SchemaCompiler(schema, alphabet, budget);
        var root = compiler.RuleOf(compiler._document.Root);
        while (compiler._pending.TryDequeue(out var next))
        {
            compiler._rules[next.Rule] = compiler.Build(next.Schema, 0);
        }
        return Grammar.Build(compiler._rules, [.. compiler._nesting], root, alphabet, budget, "json_schema");
    }

    private static JsonDocument Parse(string json)
    {
        try
        {
            return JsonText.Parse(Encoding.UTF8.GetBytes(json), new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = DeepestSchema });
        }
        catch (NotUnicodeException)
        {
            throw StructuredOutputParams.Refused("json_schema", "it holds text that is not Unicode, such as half a surrogate pair");
        }
        catch (JsonException e)
        {
            var where = e.LineNumber is { } line ? $" at line {line + 1}, byte {e.BytePositionInLine + 1}" : "";
            throw StructuredOutputParams.Refused("json_schema", $"must be JSON with each name once and at most {DeepestSchema} levels, it is not{where}");
        }
    }

    private int Add(Expression expression, int nesting = 0)
    {
        _rules.Add(expression);
        _nesting.Add(nesting);
        _budget.AddNfaState();
        return _rules.Count - 1;
    }

    // Schemas of one text are one rule, so that a schema that holds itself ends.
    private int RuleOf(SchemaPart schema)
    {
        var key = schema.Raw;
        _budget.Work(1 + key.Length / 64);
        if (!_known.TryGetValue(key, out var rule))
        {
            _known[key] = rule = Add(Expression.Nothing);
            _pending.Enqueue((rule, schema));
        }
        return rule;
    }

    private Expression Call(SchemaPart schema) => new Expression.Call(RuleOf(schema));

    private Expression Build(SchemaPart schema, int depth)
    {
        _budget.Work(1);
        schema = _document.Flatten(schema);
        if (schema.IsFalse)
        {
            return Expression.Nothing;
        }
        if (schema.IsTrue)
        {
            return Build(new SchemaPart(JsonElement.Parse("{}"), schema.Path), depth);
        }
        if (schema.Find("$ref") is { } reference)
        {
            return Call(_document.Resolve(reference));
        }
        if (schema.Find("anyOf") is not null || schema.Find("oneOf") is not null)
        {
            return Branches(schema, depth);
        }
        if (schema.Find("const") is not null || schema.Find("enum") is not null)
        {
            return Values(schema);
        }
        return new Expression.Alternatives([.. JsonTypes.Of(schema).Select(type => OfType(type, schema))]);
    }

    // What stands beside anyOf holds for each branch.
    private Expression.Alternatives Branches(SchemaPart schema, int depth)
    {
        if (schema.Find("anyOf") is not null && schema.Find("oneOf") is not null || depth > 16)
        {
            throw schema.Refused("anyOf and oneOf on one level, or nested without a type between, are not supported");
        }
        var one = schema.Find("oneOf");
        var branches = (schema.Find("anyOf") ?? one!.Value).Items().ToList();
        if (one is not null)
        {
            RequireDisjoint(branches, one.Value);
        }
        var beside = SchemaDocument.Own(schema, "anyOf", "oneOf");
        return new Expression.Alternatives([.. branches.Select(branch => beside.Members().Any()
            ? Build(SchemaMerge.Make([("allOf", $"[{beside.Raw},{branch.Raw}]")], branch.Path), depth + 1)
            : Call(branch))]);
    }

    // Then any of them is one of them.
    private void RequireDisjoint(List<SchemaPart> branches, SchemaPart one)
    {
        for (var i = 0; i < branches.Count; i++)
        {
            for (var j = 0; j < i; j++)
            {
                _budget.Work(100);
                if (!_disjoint.Holds(branches[j], branches[i]))
                {
                    throw one.Refused($"a value may meet both branch {j} and branch {i}; tell them apart by type or by a required constant, or use anyOf");
                }
            }
        }
    }

    private static Expression.Alternatives Values(SchemaPart schema)
    {
        if (schema.Members().FirstOrDefault(member => member.Name is not ("const" or "enum" or "type")).Name is { } other)
        {
            throw schema.Refused($"'{other}' beside enum or const is not supported; leave out the values that do not meet it");
        }
        var values = (schema.Find("enum")?.Items() ?? [schema.Find("const")!.Value]).Select(part => part.Value);
        if (schema.Find("enum") is not null && schema.Find("const") is { } constant)
        {
            values = values.Where(value => JsonElement.DeepEquals(value, constant.Value));
        }
        if (schema.Find("type") is { } type)
        {
            var types = JsonTypes.Named(type);
            values = values.Where(value => JsonTypes.Includes(types, value));
        }
        return new Expression.Alternatives([.. values.Select(JsonSyntax.Value)]);
    }

    private Expression OfType(string type, SchemaPart schema) => type switch
    {
        "object" => new Expression.Call(Add(SchemaContainers.Object(schema, Call, _alphabet, _budget), nesting: 1)),
        "array" => new Expression.Call(Add(SchemaContainers.Array(schema, Call, _budget), nesting: 1)),
        "string" => _strings.Build(schema),
        "boolean" => Expression.Either(Expression.Text("true"), Expression.Text("false")),
        "null" => Expression.Text("null"),
        _ => SchemaNumbers.Build(schema, type == "integer", _alphabet, _budget),
    };
}
