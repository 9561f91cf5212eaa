namespace Batch.Inference.Engine.StructuredOutput.Json;

/// <summary>Numbers under their bounds and multipleOf.</summary>
internal static class SchemaNumbers
{
    private const int LargestDivisor = 1000;
    private const int DigitsBeyondBounds = 6;

    public static Expression Build(SchemaPart schema, bool integer, CharacterSet alphabet, CompileBudget budget)
    {
        if (schema.Find("format") is { } format)
        {
            throw format.Refused("the format of a number is not supported; use minimum and maximum");
        }
        var (least, leastOut) = Bound(schema.Find("minimum"), schema.Find("exclusiveMinimum"), lower: true);
        var (most, mostOut) = Bound(schema.Find("maximum"), schema.Find("exclusiveMaximum"), lower: false);
        var (divisor, digits) = schema.Find("multipleOf") is { } multipleOf ? Divisor(multipleOf) : (null, null);
        if (integer || divisor is not null)
        {
            return Integers(least, leastOut, most, mostOut, divisor, alphabet, budget);
        }
        if ((least, most, digits) is (null, null, null))
        {
            return JsonNumbers.Number;
        }
        digits ??= Math.Max((least ?? 0).Scale, (most ?? 0).Scale) + DigitsBeyondBounds;
        return JsonNumbers.Decimals(least ?? -JsonNumbers.Largest, leastOut, most ?? JsonNumbers.Largest, mostOut, digits.Value);
    }

    private static Expression Integers(decimal? least, bool leastOut, decimal? most, bool mostOut, int? divisor, CharacterSet alphabet, CompileBudget budget)
    {
        var low = decimal.Ceiling(least ?? -JsonNumbers.Largest);
        var high = decimal.Floor(most ?? JsonNumbers.Largest);
        low += leastOut && low == least ? 1 : 0;
        high -= mostOut && high == most ? 1 : 0;
        var range = (least, most) is (null, null) ? JsonNumbers.Integer : JsonNumbers.Range((long)low, (long)high);
        return divisor is null or 1 ? range : Dfa.Combine(range, JsonNumbers.Multiples(divisor.Value), except: false, alphabet, budget);
    }

    // The tighter of the two; of equal ones the exclusive.
    private static (decimal? Bound, bool Exclusive) Bound(SchemaPart? inclusive, SchemaPart? exclusive, bool lower)
    {
        var (a, b) = (inclusive?.Number(), exclusive?.Number());
        return b is null ? (a, false) : a is null || (lower ? b >= a : b <= a) ? (b, true) : (a, false);
    }

    // A whole number, or so many digits after the point.
    private static (int? Whole, int? Digits) Divisor(SchemaPart part)
    {
        var divisor = part.Number();
        if (divisor >= 1 && divisor <= LargestDivisor && divisor == decimal.Floor(divisor))
        {
            return ((int)divisor, null);
        }
        var digits = 0;
        for (var unit = 0.1m; unit >= 1e-12m; unit /= 10)
        {
            digits++;
            if (divisor == unit)
            {
                return (null, digits);
            }
        }
        throw part.Refused($"must be a whole number from 1 to {LargestDivisor}, or 0.1, 0.01 and so on, was {part.Raw}");
    }
}
