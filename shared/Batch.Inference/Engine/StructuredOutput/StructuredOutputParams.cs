using System.Text.Json;

namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>What the text must be, whatever the model would rather write. Exactly one of the fields is set. Names are vLLM's.</summary>
public sealed record StructuredOutputParams
{
    /// <summary>The parameter that errors name.</summary>
    internal static string Parameter => "structured_outputs";

    /// <summary>A JSON Schema as JSON text, so that the order of its properties stays: the text is one JSON value that it holds valid.</summary>
    public string? JsonSchema { get; init; }

    /// <summary>A regular expression that the whole text matches.</summary>
    public string? Regex { get; init; }

    /// <summary>The text is one of these, to the character.</summary>
    public IReadOnlyList<string>? Choice { get; init; }

    /// <summary>Two requests of one key share an automaton.</summary>
    internal string Key => Regex is not null ? $"regex {Regex}" : JsonSchema is not null ? $"json_schema {JsonSchema}" : $"choice {JsonSerializer.Serialize(Choice)}";

    /// <summary>Throws <see cref="ArgumentException"/> that says what is wrong with the constraint itself; a tokenizer may still be unable to write it.</summary>
    public StructuredOutputParams Validate()
    {
        ConstraintGrammar.Build(this, CharacterSet.All);
        return this;
    }

    /// <summary>The error of a constraint that cannot be obeyed.</summary>
    /// <param name="where">Below structured_outputs.</param>
    internal static ArgumentException Refused(string where, string problem) => new($"{Parameter}.{where}: {problem}", Parameter);
}
