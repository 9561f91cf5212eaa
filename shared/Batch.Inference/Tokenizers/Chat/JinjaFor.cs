using System.Text;

namespace Batch.Inference.Tokenizers.Chat;

/// <summary>for names in items if filter … else …, with Jinja's loop variable.</summary>
internal sealed record JinjaFor(
    IReadOnlyList<string> Names, JinjaExpression Source, JinjaExpression? Filter, JinjaBlock Body, JinjaBlock? Otherwise, int Line)
    : JinjaStatement(Line)
{
    private const int StepsPerTurn = 10; // a scope and the members of loop

    public override JinjaFlow Run(JinjaScope scope, StringBuilder output)
    {
        var items = JinjaValues.Items(Source.Evaluate(scope), Line);
        if (Filter is not null)
        {
            scope.Budget.Charge(Line, items.Count);
            items = items.FindAll(item => JinjaValues.IsTrue(Filter.Evaluate(ScopeOf(scope, item))));
        }
        if (items.Count == 0)
        {
            return Otherwise?.Run(scope, output) ?? JinjaFlow.Next;
        }
        for (var i = 0; i < items.Count; i++)
        {
            scope.Budget.Charge(Line, StepsPerTurn);
            var inner = ScopeOf(scope, items[i]);
            inner.Set("loop", Loop(items, i));
            if (Body.Run(inner, output) == JinjaFlow.Break)
            {
                break;
            }
        }
        return JinjaFlow.Next;
    }

    private JinjaScope ScopeOf(JinjaScope scope, object? item)
    {
        var inner = scope.Inner(Line);
        JinjaSet.Assign(inner, Names, item, Line);
        return inner;
    }

    private static Dictionary<string, object?> Loop(List<object?> items, int i) => new()
    {
        ["index"] = i + 1L,
        ["index0"] = (long)i,
        ["revindex"] = (long)(items.Count - i),
        ["revindex0"] = items.Count - i - 1L,
        ["first"] = i == 0,
        ["last"] = i == items.Count - 1,
        ["length"] = (long)items.Count,
        ["previtem"] = i > 0 ? items[i - 1] : new JinjaUndefined("loop.previtem"),
        ["nextitem"] = i + 1 < items.Count ? items[i + 1] : new JinjaUndefined("loop.nextitem"),
        ["cycle"] = (JinjaFunction)(arguments => arguments.Positional.Count > 0
            ? arguments.Positional[i % arguments.Positional.Count]
            : throw JinjaError.At(arguments.Line, "loop.cycle wants at least one value")),
    };
}
