namespace Batch.Inference.Tokenizers.Chat;

internal abstract record JinjaExpression(int Line)
{
    public object? Evaluate(JinjaScope scope)
    {
        scope.Budget.Enter(Line);
        var value = Compute(scope);
        scope.Budget.Leave();
        scope.Budget.Charge(value, Line);
        return value;
    }

    protected abstract object? Compute(JinjaScope scope);
}

internal sealed record JinjaLiteral(object? Value, int Line) : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope) => Value;
}

internal sealed record JinjaList(IReadOnlyList<JinjaExpression> Items, int Line) : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope) => Items.Select(item => item.Evaluate(scope)).ToList();
}

internal sealed record JinjaMap(IReadOnlyList<(JinjaExpression Key, JinjaExpression Value)> Items, int Line) : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope)
    {
        var map = new Dictionary<string, object?>();
        foreach (var (key, value) in Items)
        {
            map[JinjaValues.ToText(key.Evaluate(scope))] = value.Evaluate(scope);
        }
        return map;
    }
}

internal sealed record JinjaName(string Name, int Line) : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope) => scope.Get(Name);
}

/// <summary>value.name, or value["name"], which are nearly the same in Jinja.</summary>
internal sealed record JinjaMember(JinjaExpression Target, JinjaExpression Key, int Line) : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope)
    {
        var target = Target.Evaluate(scope);
        return (target, Key.Evaluate(scope)) switch
        {
            (JinjaUndefined undefined, _) => throw JinjaError.At(Line, $"'{undefined.Name}' is undefined"),
            (JinjaNamespace space, string name) => Find(space.Values, name),
            (Dictionary<string, object?> map, string name) =>
                map.TryGetValue(name, out var value) ? value : Method(map, name),
            (List<object?> list, long index) => At(list, index),
            (string text, long index) => At(JinjaValues.Items(text, Line), index),
            (_, string name) => Method(target, name),
            (_, var key) => new JinjaUndefined(JinjaValues.ToText(key)),
        };
    }

    private static object Method(object? target, string name) => (object?)JinjaMethods.Find(target, name) ?? new JinjaUndefined(name);

    private static object? Find(Dictionary<string, object?> values, string name) =>
        values.TryGetValue(name, out var value) ? value : new JinjaUndefined(name);

    private static object? At(List<object?> list, long index)
    {
        var place = index < 0 ? index + list.Count : index;
        return place >= 0 && place < list.Count ? list[(int)place] : new JinjaUndefined($"element {index}");
    }
}

/// <summary>value[start:stop:step], by Python's rules.</summary>
internal sealed record JinjaSlice(JinjaExpression Target, JinjaExpression? Start, JinjaExpression? Stop, JinjaExpression? Step, int Line)
    : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope)
    {
        var target = Target.Evaluate(scope);
        var items = JinjaValues.Items(target, Line);
        var step = Bound(Step, scope) ?? 1;
        if (step == 0)
        {
            throw JinjaError.At(Line, "a slice's step must not be 0");
        }
        var (lowest, highest) = step > 0 ? (0, items.Count) : (-1, items.Count - 1);
        var start = Clip(Bound(Start, scope), step > 0 ? lowest : highest);
        var stop = Clip(Bound(Stop, scope), step > 0 ? highest : lowest);
        var slice = new List<object?>();
        for (var i = start; step > 0 ? i < stop : i > stop; i += step)
        {
            slice.Add(items[(int)i]);
        }
        return target is string ? string.Concat(slice) : slice;

        long Clip(long? bound, long otherwise) =>
            bound is { } given ? Math.Clamp(given < 0 ? given + items.Count : given, lowest, highest) : otherwise;
    }

    private long? Bound(JinjaExpression? bound, JinjaScope scope) => bound?.Evaluate(scope) switch
    {
        null => null,
        long number => number,
        var other => throw JinjaError.At(Line, $"a slice wants integers, saw {JinjaValues.Describe(other)}"),
    };
}

/// <summary>The arguments as written, at a call, filter or test.</summary>
internal sealed record JinjaArgumentList(
    IReadOnlyList<JinjaExpression> Positional, IReadOnlyList<(string Name, JinjaExpression Value)> Named, int Line)
{
    public JinjaArguments Evaluate(JinjaScope scope) => new(
        [.. Positional.Select(value => value.Evaluate(scope))],
        Named.ToDictionary(pair => pair.Name, pair => pair.Value.Evaluate(scope)),
        scope.Budget,
        Line);
}

internal sealed record JinjaCall(JinjaExpression Target, JinjaArgumentList Arguments, int Line) : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope) => Target.Evaluate(scope) switch
    {
        JinjaFunction function => function(Arguments.Evaluate(scope)),
        JinjaUndefined { Name: "strftime_now" } => throw JinjaError.At(
            Line, "strftime_now, the date of the day, is not given, so that a job renders the same every day; write a date into the template"),
        var other => throw JinjaError.At(Line, $"cannot call {JinjaValues.Describe(other)}"),
    };
}

internal sealed record JinjaFilter(JinjaExpression Target, string Name, JinjaArgumentList Arguments, int Line) : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope) => JinjaFilters.Apply(Name, Target.Evaluate(scope), Arguments.Evaluate(scope));
}

internal sealed record JinjaTest(JinjaExpression Target, string Name, JinjaArgumentList Arguments, int Line) : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope) => JinjaTests.Holds(Name, Target.Evaluate(scope), Arguments.Evaluate(scope));
}

internal sealed record JinjaNot(JinjaExpression Operand, int Line) : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope) => !JinjaValues.IsTrue(Operand.Evaluate(scope));
}

/// <summary>Python's and, or: the value that decided.</summary>
internal sealed record JinjaLogic(JinjaExpression Left, bool IsAnd, JinjaExpression Right, int Line) : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope)
    {
        var left = Left.Evaluate(scope);
        return JinjaValues.IsTrue(left) == IsAnd ? Right.Evaluate(scope) : left;
    }
}

/// <summary>value if condition else other; without an else undefined.</summary>
internal sealed record JinjaConditional(JinjaExpression Condition, JinjaExpression Then, JinjaExpression? Otherwise, int Line)
    : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope) => JinjaValues.IsTrue(Condition.Evaluate(scope))
        ? Then.Evaluate(scope)
        : Otherwise is null ? new JinjaUndefined("value of an if without else") : Otherwise.Evaluate(scope);
}

/// <summary>a &lt; b &lt; c holds where each neighbouring pair does.</summary>
internal sealed record JinjaComparison(JinjaExpression First, IReadOnlyList<(string Operator, JinjaExpression Operand)> Rest, int Line)
    : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope)
    {
        var left = First.Evaluate(scope);
        foreach (var (comparison, operand) in Rest)
        {
            var right = operand.Evaluate(scope);
            if (!Holds(left, comparison, right, scope.Budget))
            {
                return false;
            }
            left = right;
        }
        return true;
    }

    private bool Holds(object? left, string comparison, object? right, JinjaBudget budget) => comparison switch
    {
        "==" => JinjaValues.AreEqual(left, right, budget, Line),
        "!=" => !JinjaValues.AreEqual(left, right, budget, Line),
        "in" => JinjaValues.Contains(right, left, budget, Line),
        "not in" => !JinjaValues.Contains(right, left, budget, Line),
        "<" => JinjaValues.Compare(left, right, Line) < 0,
        "<=" => JinjaValues.Compare(left, right, Line) <= 0,
        ">" => JinjaValues.Compare(left, right, Line) > 0,
        _ => JinjaValues.Compare(left, right, Line) >= 0,
    };
}
