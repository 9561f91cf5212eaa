namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>
/// Where one text stands in its constraint. Tokens are masked before they are drawn, so the text is always the beginning of one that meets the constraint,
/// and there is always a way to its end. For one thread at a time.
/// </summary>
/// <param name="stripsSpace">Decoding takes a space away from the start of the text.</param>
/// <param name="ignoresEndOfText">An end-of-text token ends nothing, so it never comes.</param>
internal sealed class TokenConstraint(CompiledConstraint compiled, bool stripsSpace, bool ignoresEndOfText)
{
    private readonly List<AutomatonState> _states = [compiled.Start]; // after each token

    /// <summary>Nothing but the end of the text may follow.</summary>
    public bool IsComplete => !_states[^1].Continues;

    /// <summary>The text may end here.</summary>
    public bool MayEnd => _states[^1].Accepts;

    /// <summary>Sets the logit of every token that may not come next to minus infinity; end-of-text tokens stay where the text may end.</summary>
    /// <param name="logits">[vocabulary]</param>
    public void Mask(Span<float> logits)
    {
        compiled.MaskOf(_states[^1], StripsNext).Apply(logits[..compiled.Vocabulary.Size]);
        logits[compiled.Vocabulary.Size..].Fill(float.NegativeInfinity);
        if (ignoresEndOfText)
        {
            foreach (var id in compiled.Vocabulary.EndOfText)
            {
                logits[id] = float.NegativeInfinity;
            }
        }
    }

    /// <summary>Whether <see cref="Mask"/> leaves the token.</summary>
    public bool Allows(int token) => compiled.Vocabulary.EndsText(token) ? MayEnd && !ignoresEndOfText : After(token) is not null;

    /// <summary>Takes the token that was drawn.</summary>
    /// <exception cref="InvalidOperationException">The constraint does not allow it.</exception>
    public void Accept(int token) => _states.Add(
        compiled.Vocabulary.EndsText(token) && MayEnd ? _states[^1]
        : After(token) ?? throw new InvalidOperationException($"{StructuredOutputParams.Parameter}: token {token} may not follow here"));

    /// <summary>Takes back the last tokens.</summary>
    public void Rollback(int tokens) => _states.RemoveRange(_states.Count - tokens, tokens);

    private bool StripsNext => stripsSpace && _states.Count == 1;

    private AutomatonState? After(int token)
    {
        if (!compiled.Vocabulary.IsText(token))
        {
            return null;
        }
        var bytes = compiled.Vocabulary.GetBytes(token);
        return compiled.Follow(_states[^1], StripsNext && bytes[0] == ' ' ? bytes[1..] : bytes);
    }
}
