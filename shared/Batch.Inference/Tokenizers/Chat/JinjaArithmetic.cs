namespace Batch.Inference.Tokenizers.Chat;

/// <summary>+ - * / // % ** ~ by Python's rules.</summary>
internal sealed record JinjaArithmetic(JinjaExpression Left, string Operator, JinjaExpression Right, int Line) : JinjaExpression(Line)
{
    protected override object? Compute(JinjaScope scope)
    {
        var (left, right) = (Left.Evaluate(scope), Right.Evaluate(scope));
        return (left, Operator, right) switch
        {
            (_, "~", _) => JinjaValues.ToText(left) + JinjaValues.ToText(right),
            (string a, "+", string b) => a + b,
            (List<object?> a, "+", List<object?> b) => new List<object?>([.. a, .. b]),
            (string a, "*", long n) => Repeat(a, n),
            (bool or long, not "/", bool or long) => Integers(AsInteger(left), AsInteger(right)),
            _ when JinjaValues.Number(left) is { } a && JinjaValues.Number(right) is { } b => Floats(a, b),
            _ => throw JinjaError.At(Line, $"cannot apply '{Operator}' to {JinjaValues.Describe(left)} and {JinjaValues.Describe(right)}"),
        };
    }

    private string Repeat(string text, long times)
    {
        times = text.Length == 0 ? 0 : Math.Clamp(times, 0, JinjaBudget.MostCharacters + 1);
        JinjaBudget.CheckSize(text.Length * times, Line);
        return string.Concat(Enumerable.Repeat(text, (int)times));
    }

    private long Integers(long a, long b) => Operator switch
    {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "%" when b == -1 => 0, // the smallest integer's remainder overflows
        "**" => (long)Math.Pow(a, b),
        "//" => (long)Math.Floor((double)a / NotZero(b)),
        _ => ((a % NotZero(b)) + b) % b, // the sign of the divisor
    };

    private double Floats(double a, double b) => Operator switch
    {
        "+" => a + b,
        "-" => a - b,
        "*" => a * b,
        "**" => Math.Pow(a, b),
        "/" => a / NotZero(b),
        "//" => Math.Floor(a / NotZero(b)),
        _ => a - (b * Math.Floor(a / NotZero(b))),
    };

    private static long AsInteger(object? value) => value is bool b ? (b ? 1 : 0) : (long)value!;

    private T NotZero<T>(T divisor)
        where T : System.Numerics.INumber<T> => T.IsZero(divisor) ? throw JinjaError.At(Line, "division by zero") : divisor;
}
