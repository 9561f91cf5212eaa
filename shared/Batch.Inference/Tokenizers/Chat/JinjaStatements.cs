using System.Text;

namespace Batch.Inference.Tokenizers.Chat;

/// <summary>What a loop does after a statement.</summary>
internal enum JinjaFlow
{
    Next,
    Break,
    Continue,
}

internal abstract record JinjaStatement(int Line)
{
    public abstract JinjaFlow Run(JinjaScope scope, StringBuilder output);
}

internal sealed record JinjaBlock(IReadOnlyList<JinjaStatement> Statements, int Line) : JinjaStatement(Line)
{
    public override JinjaFlow Run(JinjaScope scope, StringBuilder output)
    {
        foreach (var statement in Statements)
        {
            scope.Budget.Charge(statement.Line);
            if (statement.Run(scope, output) is var flow and not JinjaFlow.Next)
            {
                return flow;
            }
        }
        return JinjaFlow.Next;
    }
}

internal sealed record JinjaText(string Text, int Line) : JinjaStatement(Line)
{
    public override JinjaFlow Run(JinjaScope scope, StringBuilder output)
    {
        output.Append(Text);
        JinjaBudget.CheckSize(output.Length, Line);
        return JinjaFlow.Next;
    }
}

internal sealed record JinjaOutput(JinjaExpression Value, int Line) : JinjaStatement(Line)
{
    public override JinjaFlow Run(JinjaScope scope, StringBuilder output)
    {
        output.Append(JinjaValues.ToText(Value.Evaluate(scope)));
        JinjaBudget.CheckSize(output.Length, Line);
        return JinjaFlow.Next;
    }
}

/// <summary>break and continue.</summary>
internal sealed record JinjaJump(JinjaFlow Flow, int Line) : JinjaStatement(Line)
{
    public override JinjaFlow Run(JinjaScope scope, StringBuilder output) => Flow;
}

/// <summary>if, elif, else: the first branch whose condition holds; null is else.</summary>
internal sealed record JinjaIf(IReadOnlyList<(JinjaExpression? Condition, JinjaBlock Body)> Branches, int Line) : JinjaStatement(Line)
{
    public override JinjaFlow Run(JinjaScope scope, StringBuilder output)
    {
        foreach (var (condition, body) in Branches)
        {
            if (condition is null || JinjaValues.IsTrue(condition.Evaluate(scope)))
            {
                return body.Run(scope, output);
            }
        }
        return JinjaFlow.Next;
    }
}

/// <summary>set: of a name, of several names at once, of a namespace's member, or of a block's text.</summary>
internal sealed record JinjaSet(IReadOnlyList<string> Names, string? Member, JinjaExpression? Value, JinjaBlock? Body, int Line)
    : JinjaStatement(Line)
{
    public override JinjaFlow Run(JinjaScope scope, StringBuilder output)
    {
        if (Member is not null)
        {
            var space = scope.Get(Names[0]) as JinjaNamespace ?? throw JinjaError.At(Line, $"'{Names[0]}' is no namespace");
            space.Values[Member] = Compute(scope);
            return JinjaFlow.Next;
        }
        Assign(scope, Names, Compute(scope), Line);
        return JinjaFlow.Next;
    }

    /// <summary>Gives one name the value, or several names its items.</summary>
    public static void Assign(JinjaScope scope, IReadOnlyList<string> names, object? value, int line)
    {
        if (names.Count == 1)
        {
            scope.Set(names[0], value);
            return;
        }
        var items = JinjaValues.Items(value, line);
        if (items.Count != names.Count)
        {
            throw JinjaError.At(line, $"wanted {names.Count} values for {string.Join(", ", names)}, saw {items.Count}");
        }
        for (var i = 0; i < names.Count; i++)
        {
            scope.Set(names[i], items[i]);
        }
    }

    private object? Compute(JinjaScope scope)
    {
        if (Body is null)
        {
            return Value!.Evaluate(scope);
        }
        var text = new StringBuilder();
        Body.Run(scope, text);
        return text.ToString();
    }
}

internal sealed record JinjaMacro(string Name, IReadOnlyList<(string Name, JinjaExpression? Default)> Parameters, JinjaBlock Body, int Line)
    : JinjaStatement(Line)
{
    public override JinjaFlow Run(JinjaScope scope, StringBuilder output)
    {
        var depth = 0;
        scope.Set(Name, (JinjaFunction)(arguments =>
        {
            var inner = scope.Inner(arguments.Line);
            for (var i = 0; i < Parameters.Count; i++)
            {
                var (name, otherwise) = Parameters[i];
                inner.Set(name, arguments.Get(i, name, otherwise is null ? new JinjaUndefined(name) : otherwise.Evaluate(inner)));
            }
            if (++depth > 100)
            {
                throw JinjaError.At(arguments.Line, $"macro '{Name}' calls itself more than 100 deep");
            }
            var text = new StringBuilder();
            Body.Run(inner, text);
            depth--;
            return text.ToString();
        }));
        return JinjaFlow.Next;
    }
}
