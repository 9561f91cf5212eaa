namespace Batch.Inference.Tokenizers.Chat;

/// <summary>Names and their values; what a loop or a macro sets is gone at its end.</summary>
internal sealed class JinjaScope(JinjaScope? outer = null)
{
    private const int MostDepth = 200; // of loops and macro calls in each other

    private readonly Dictionary<string, object?> _values = [];
    private readonly int _depth = (outer?._depth ?? 0) + 1;

    public JinjaBudget Budget { get; } = outer?.Budget ?? new JinjaBudget();

    public object? Get(string name)
    {
        for (var scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope._values.TryGetValue(name, out var value))
            {
                return value;
            }
        }
        return new JinjaUndefined(name);
    }

    public void Set(string name, object? value) => _values[name] = value;

    public JinjaScope Inner(int line) => _depth < MostDepth
        ? new JinjaScope(this)
        : throw JinjaError.At(line, $"loops and calls more than {MostDepth} deep");

    private JinjaScope? Outer => outer;
}
