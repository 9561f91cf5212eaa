namespace Batch.Inference.Tokenizers.Chat;

/// <summary>What one rendering may take, so that any template ends, and soon: steps, and the size of a text. The same templates pass on any machine.</summary>
internal sealed class JinjaBudget
{
    public const int MostCharacters = 4 << 20; // of the rendered text, and of any value on the way
    public const int MostDepth = 100; // of lists and mappings in each other, where they are written or compared

    private const int MostSteps = 2_000_000;
    private const int SizePerStep = 32;

    private const int MostNested = 1000; // of expressions in each other, those of the calls around them included: a stack's worth

    private int _steps;
    private int _nested;

    /// <summary>Before an expression is computed; where it is not left again, rendering has ended with an error.</summary>
    public void Enter(int line)
    {
        if (++_nested > MostNested)
        {
            throw JinjaError.At(line, $"expressions more than {MostNested:N0} deep");
        }
    }

    public void Leave() => _nested--;

    /// <summary>Takes a step, and more for a value that is large: what is done with it goes through all of it.</summary>
    public void Charge(object? value, int line)
    {
        var size = value switch
        {
            string text => text.Length,
            List<object?> list => list.Count,
            Dictionary<string, object?> map => map.Count,
            _ => 0,
        };
        CheckSize(size, line);
        Charge(line, 1 + (size / SizePerStep));
    }

    public void Charge(int line, int steps = 1)
    {
        if (_steps > MostSteps - steps)
        {
            throw JinjaError.At(line, $"rendering takes more than {MostSteps:N0} steps");
        }
        _steps += steps;
    }

    /// <summary>To ask before a value that may be much larger than what it is made of is made.</summary>
    public static void CheckSize(long size, int line)
    {
        if (size > MostCharacters)
        {
            throw JinjaError.At(line, $"a text of more than {MostCharacters:N0} characters");
        }
    }
}
