namespace Batch.Inference.Engine.Interventions;

/// <summary>
/// A rule for a text in the making: when something holds, then something is done, at that token. The same prompt, parameters and seed give the same
/// interventions at the same tokens, alone or in a batch.
/// </summary>
/// <param name="When">Looked at after each token that is drawn and does not end the text.</param>
/// <param name="Then">Done in this order.</param>
/// <param name="Limit">How often the rule may fire, 1 to 1,000; once by default, 1,000 times with <see cref="InterventionCondition.Every"/>.</param>
public sealed record Intervention(InterventionCondition When, IReadOnlyList<InterventionAction> Then, int? Limit = null)
{
    internal const int MostFirings = 1000;

    internal int Firings => Limit ?? (When.Every is null ? 1 : MostFirings);
}

/// <summary>When a rule fires: exactly one is set.</summary>
public sealed record InterventionCondition
{
    /// <summary>A match ends in the newest characters and begins in the last 1,024. .NET's syntax without backreferences and lookarounds, which have no linear-time matcher.</summary>
    public string? Regex { get; init; }

    /// <summary>The text has so many tokens; where an injection jumps over the number, at the next token that is drawn.</summary>
    public int? Tokens { get; init; }

    /// <summary>The text has a multiple of so many tokens.</summary>
    public int? Every { get; init; }

    public EntropyCondition? Entropy { get; init; }

    public RepetitionCondition? Repetition { get; init; }
}

/// <summary>
/// The entropy of the model's own distribution, before penalties, temperature and truncation, in nats, was above or below a bound for so many tokens in a row.
/// After firing it counts anew.
/// </summary>
public sealed record EntropyCondition
{
    /// <summary>Nats that it was above.</summary>
    public double? Above { get; init; }

    /// <summary>Nats that it was below.</summary>
    public double? Below { get; init; }

    /// <summary>1 to 1,000.</summary>
    public int For { get; init; } = 1;
}

/// <summary>The text ends with the same <paramref name="Size"/> tokens <paramref name="Times"/> times in a row. After firing it counts anew.</summary>
/// <param name="Size">1 to 1,000.</param>
/// <param name="Times">2 to 1,000.</param>
public sealed record RepetitionCondition(int Size, int Times);

/// <summary>What a rule does: exactly one is set.</summary>
public sealed record InterventionAction
{
    /// <summary>Appended as if it had been generated: it counts towards max_tokens, and may complete a stop string.</summary>
    public string? Inject { get; init; }

    public BanAction? Ban { get; init; }

    public SetAction? Set { get; init; }

    public RollbackAction? Rollback { get; init; }

    /// <summary>The text ends here.</summary>
    public bool Stop { get; init; }
}

/// <summary>Words (as in bad_words) or tokens are not written any more.</summary>
public sealed record BanAction
{
    /// <summary>These words.</summary>
    public IReadOnlyList<string>? Words { get; init; }

    /// <summary>These tokens.</summary>
    public IReadOnlyList<int>? TokenIds { get; init; }

    /// <summary>For so many tokens; null for the rest.</summary>
    public int? ForTokens { get; init; }
}

/// <summary>Other sampling parameters.</summary>
public sealed record SetAction
{
    /// <summary>As the parameter of this name.</summary>
    public float? Temperature { get; init; }

    /// <summary>As the parameter of this name.</summary>
    public int? TopK { get; init; }

    /// <summary>As the parameter of this name.</summary>
    public float? TopP { get; init; }

    /// <summary>As the parameter of this name.</summary>
    public float? MinP { get; init; }

    /// <summary>For so many tokens; null for the rest.</summary>
    public int? ForTokens { get; init; }

    internal SamplingParams Over(SamplingParams sampling) => sampling with
    {
        Temperature = Temperature ?? sampling.Temperature,
        TopK = TopK ?? sampling.TopK,
        TopP = TopP ?? sampling.TopP,
        MinP = MinP ?? sampling.MinP,
    };
}

/// <summary>Takes tokens back, at most to the text's beginning. The text goes on with new noise.</summary>
public sealed record RollbackAction
{
    /// <summary>So many.</summary>
    public int? Tokens { get; init; }

    /// <summary>To before the token in which the regex's match begins.</summary>
    public bool Match { get; init; }

    /// <summary>The token that stood there is not drawn there again.</summary>
    public bool Ban { get; init; }
}

/// <summary>What was done to a text.</summary>
/// <param name="Rule">Index of the rule.</param>
/// <param name="AtToken">How many tokens the text had.</param>
/// <param name="AtCharacter">How many characters (UTF-16 units) it had.</param>
/// <param name="Action">inject, ban, set, rollback or stop; refused where it could not be done.</param>
/// <param name="Detail">What exactly, or why not.</param>
public sealed record InterventionRecord(int Rule, int AtToken, int AtCharacter, string Action, string Detail);
