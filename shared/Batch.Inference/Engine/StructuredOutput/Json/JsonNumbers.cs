using System.Globalization;

namespace Batch.Inference.Engine.StructuredOutput.Json;

/// <summary>Numbers within bounds, written in decimal digits: 18 before the point at most, so that every reader holds an integer exactly in 64 bits.</summary>
internal static class JsonNumbers
{
    public const long Largest = 999_999_999_999_999_999;

    private static readonly CharacterSet AnyDigit = CharacterSet.Digits;

    /// <summary>Integers; there is no "-0".</summary>
    public static Expression Integer { get; } = Range(-Largest, Largest);

    /// <summary>A fraction of up to 17 digits and an exponent of up to 2 may follow.</summary>
    public static Expression Number { get; } = Expression.Then(
        Expression.Optional(Expression.Text("-")),
        Range(0, Largest),
        Expression.Optional(Expression.Then(Expression.Text("."), new Expression.Repeat(Expression.Of(AnyDigit), 1, 17))),
        Expression.Optional(Expression.Then(JsonSyntax.Set("eE"), Expression.Optional(JsonSyntax.Set("+-")), new Expression.Repeat(Expression.Of(AnyDigit), 1, 2))));

    public static Expression Range(long least, long most) => Expression.Either(
        Natural(Math.Max(least, 0), most), Expression.Then(Expression.Text("-"), Natural(Math.Max(1, -most), -least)));

    /// <summary>Multiples of a number from 1 to 1,000.</summary>
    public static Expression Multiples(int of)
    {
        var (start, minus, end) = (0, 1, of + 2); // states 2 … of + 1 are the remainders
        var edges = new List<Expression.Edge> { new(start, Digit(0, 0), end), new(start, Expression.Text("-"), minus), new(2, Expression.Empty, end) };
        for (var digit = 0; digit < 10; digit++)
        {
            if (digit > 0)
            {
                edges.Add(new(start, Digit(digit, digit), 2 + digit % of));
                edges.Add(new(minus, Digit(digit, digit), 2 + digit % of));
            }
            for (var remainder = 0; remainder < of; remainder++)
            {
                edges.Add(new(2 + remainder, Digit(digit, digit), 2 + (remainder * 10 + digit) % of));
            }
        }
        return new Expression.Graph(of + 3, edges);
    }

    /// <summary>Decimal numbers without an exponent, from least to most.</summary>
    /// <param name="leastOut">The least itself is not one of them; likewise the most.</param>
    /// <param name="digits">Most digits after the point, 0 to 18.</param>
    public static Expression Decimals(decimal least, bool leastOut, decimal most, bool mostOut, int digits) => Expression.Either(
        Magnitudes(Math.Max(least, 0), leastOut && least >= 0, most, mostOut, digits),
        Expression.Then(Expression.Text("-"), Magnitudes(Math.Max(-most, 0), mostOut || most >= 0, -least, leastOut, digits)));

    private static Expression Magnitudes(decimal least, bool leastOut, decimal most, bool mostOut, int digits)
    {
        if (least > most)
        {
            return Expression.Nothing;
        }
        var unit = 1m;
        for (var i = 0; i < digits; i++)
        {
            unit *= 10;
        }
        var (low, high) = (decimal.Floor(least), decimal.Floor(most));
        var (first, last) = (decimal.Ceiling((least - low) * unit), decimal.Floor((most - high) * unit));
        first += leastOut && low + first / unit == least ? 1 : 0;
        last -= mostOut && high + last / unit == most ? 1 : 0;
        if (low == high)
        {
            return WithFraction((long)low, (long)low, first, last, digits);
        }
        return Expression.Either(
            WithFraction((long)low, (long)low, first, unit - 1, digits),
            WithFraction((long)low + 1, (long)high - 1, 0, unit - 1, digits),
            WithFraction((long)high, (long)high, 0, last, digits));
    }

    // The fraction lies between first and last, counted in its last possible digit; shorter ones stand for zeros behind them.
    private static Expression WithFraction(long least, long most, decimal first, decimal last, int digits)
    {
        var fractions = new List<Expression>();
        if (first <= 0 && last >= 0)
        {
            fractions.Add(Expression.Empty);
        }
        var step = 1m;
        for (var length = digits; length > 0; length--, step *= 10)
        {
            var (low, high) = (decimal.Ceiling(first / step), decimal.Floor(last / step));
            if (low <= high && high >= 0)
            {
                fractions.Add(Expression.Then(Expression.Text("."), Between(Written(low, length), Written(high, length), 0)));
            }
        }
        return Expression.Then(Natural(least, most), new Expression.Alternatives(fractions));
    }

    // Without leading zeros.
    private static Expression.Alternatives Natural(long least, long most)
    {
        var lengths = new List<Expression>();
        for (long low = 0, high = 9; low <= most && low <= Largest; low = high + 1, high = high * 10 + 9)
        {
            var (a, b) = (Math.Max(least, low), Math.Min(most, high));
            if (a <= b)
            {
                lengths.Add(Between(a.ToString(CultureInfo.InvariantCulture), b.ToString(CultureInfo.InvariantCulture), 0));
            }
        }
        return new Expression.Alternatives(lengths);
    }

    private static string Written(decimal value, int length) => value.ToString(CultureInfo.InvariantCulture).PadLeft(length, '0');

    // Digits between two texts of one length, from a place where both are equal before.
    private static Expression Between(string least, string most, int at)
    {
        if (at == least.Length)
        {
            return Expression.Empty;
        }
        var (low, high) = (least[at] - '0', most[at] - '0');
        return low == high
            ? Expression.Then(Digit(low, low), Between(least, most, at + 1))
            : Expression.Either(
                Expression.Then(Digit(low, low), Above(least, at + 1)),
                Expression.Then(Digit(low + 1, high - 1), Rest(least.Length - at - 1)),
                Expression.Then(Digit(high, high), Below(most, at + 1)));
    }

    private static Expression Above(string least, int at) => at == least.Length ? Expression.Empty : Expression.Either(
        Expression.Then(Digit(least[at] - '0', least[at] - '0'), Above(least, at + 1)),
        Expression.Then(Digit(least[at] - '0' + 1, 9), Rest(least.Length - at - 1)));

    private static Expression Below(string most, int at) => at == most.Length ? Expression.Empty : Expression.Either(
        Expression.Then(Digit(most[at] - '0', most[at] - '0'), Below(most, at + 1)),
        Expression.Then(Digit(0, most[at] - '0' - 1), Rest(most.Length - at - 1)));

    private static Expression.Repeat Rest(int digits) => new Expression.Repeat(Expression.Of(AnyDigit), digits, digits);

    private static Expression Digit(int first, int last) => Expression.Of(CharacterSet.Of(('0' + first, '0' + last)));
}
