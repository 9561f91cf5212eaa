using System.Text.Json;

namespace Batch.Inference.Engine.StructuredOutput.Json;

/// <summary>Objects and arrays: paths through their members, with the commas between.</summary>
internal static class SchemaContainers
{
    private static readonly JsonElement True = JsonElement.Parse("true");

    /// <param name="call">The rule of a member's schema.</param>
    public static Expression Object(SchemaPart schema, Func<SchemaPart, Expression> call, CharacterSet alphabet, CompileBudget budget)
    {
        var listed = (schema.Find("properties")?.Members() ?? []).ToList();
        var required = (schema.Find("required")?.Items().Select(item => item.Text()) ?? []).ToHashSet();
        var additional = schema.Find("additionalProperties");
        var free = additional ?? new SchemaPart(True, schema.Path);
        listed.AddRange(required.Where(name => listed.TrueForAll(member => member.Name != name)).Select(name => (name, free)).ToList());

        var graph = new GraphBuilder(budget);
        var end = graph.NewState();
        var (none, some) = (graph.NewState(), graph.NewState()); // no member so far, or some
        graph.Add(GraphBuilder.Start, Expression.Text("{"), none);
        foreach (var (name, part) in listed)
        {
            var (noneAfter, someAfter) = (graph.NewState(), graph.NewState());
            graph.AddMember(none, some, Expression.Then(JsonSyntax.String(name), JsonSyntax.Colon, call(part)), someAfter);
            if (!required.Contains(name))
            {
                graph.Add(none, Expression.Empty, noneAfter);
                graph.Add(some, Expression.Empty, someAfter);
            }
            (none, some) = (noneAfter, someAfter);
        }
        // Where the schema says nothing of any member, all are free; where it lists some, only a word on the others brings them in.
        if (additional is { IsFalse: false } || additional is null && listed.Count == 0)
        {
            var key = JsonSyntax.Quoted(new Expression.Repeat(JsonSyntax.Escaped(CharacterSet.All), 0, null));
            var others = listed.Count == 0 ? key : Dfa.Combine(key, new Expression.Alternatives([.. listed.Select(member => JsonSyntax.String(member.Name))]), except: true, alphabet, budget);
            graph.AddMember(none, some, Expression.Then(others, JsonSyntax.Colon, call(free)), some);
        }
        graph.Add(none, Expression.Then(JsonSyntax.Space, Expression.Text("}")), end);
        graph.Add(some, Expression.Then(JsonSyntax.Space, Expression.Text("}")), end);
        return graph.Build(end);
    }

    public static Expression Array(SchemaPart schema, Func<SchemaPart, Expression> call, CompileBudget budget)
    {
        var (least, most) = (schema.Find("minItems")?.Count() ?? 0, schema.Find("maxItems")?.Count());
        var first = (schema.Find("prefixItems")?.Items() ?? []).ToList();
        var items = schema.Find("items");
        if (items is { Value.ValueKind: JsonValueKind.Array })
        {
            throw items.Value.Refused("an array of schemas is not supported; use prefixItems");
        }
        if (items is null && first.Count > 0)
        {
            most = Math.Min(most ?? int.MaxValue, Math.Max(first.Count, least)); // what is not listed comes only where it must
        }
        var rest = items ?? new SchemaPart(True, schema.Path);

        var graph = new GraphBuilder(budget);
        var (end, at) = (graph.NewState(), graph.NewState());
        graph.Add(GraphBuilder.Start, Expression.Text("["), at);
        var unrolled = most ?? Math.Max(1, Math.Max(least, first.Count));
        for (var i = 0; i <= unrolled; i++)
        {
            if (i >= least)
            {
                graph.Add(at, Expression.Then(JsonSyntax.Space, Expression.Text("]")), end);
            }
            if (i == unrolled)
            {
                break;
            }
            var next = graph.NewState();
            var item = call(i < first.Count ? first[i] : rest);
            graph.Add(at, Expression.Then(i == 0 ? JsonSyntax.Space : JsonSyntax.Comma, item), next);
            at = next;
        }
        if (most is null)
        {
            graph.Add(at, Expression.Then(JsonSyntax.Comma, call(rest)), at);
        }
        return graph.Build(end);
    }

    /// <summary>A graph in the making; state 0 is the start.</summary>
    private sealed class GraphBuilder(CompileBudget budget)
    {
        private readonly List<Expression.Edge> _edges = [];
        private int _states = 1;

        public const int Start = 0;

        public int NewState()
        {
            budget.AddNfaState();
            return _states++;
        }

        public void Add(int from, Expression label, int to) => _edges.Add(new(from, label, to));

        /// <summary>The member as the first, or after a comma.</summary>
        public void AddMember(int none, int some, Expression member, int after)
        {
            var body = NewState();
            Add(none, JsonSyntax.Space, body);
            Add(some, JsonSyntax.Comma, body);
            Add(body, member, after);
        }

        public Expression.Graph Build(int end)
        {
            Add(end, Expression.Empty, _states);
            return new Expression.Graph(_states + 1, _edges);
        }
    }
}
