using Batch.Inference.Tokenizers;

namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>
/// Makes the constraints of one model's texts and keeps the ones used last, so that requests with the same constraint share its automaton and masks.
/// Any thread but the engine's, which must not wait for it.
/// </summary>
internal sealed class ConstraintCompiler(HfTokenizer tokenizer, IReadOnlyCollection<int> endOfText)
{
    private const int MostKept = 16; // of up to 32 MB each

    private readonly Lazy<TokenVocabulary> _vocabulary = new(() => new TokenVocabulary(tokenizer, endOfText));
    private readonly LinkedList<(string Key, CompiledConstraint Compiled)> _kept = []; // the last used first
    private readonly Lock _lock = new();

    /// <param name="stripsSpace">Decoding takes a space away from the start of the text.</param>
    /// <exception cref="GenerationRefusedException">The constraint cannot be obeyed, in general or by this tokenizer; the message says why.</exception>
    public TokenConstraint Compile(SamplingParams sampling, bool stripsSpace)
    {
        var constraint = sampling.StructuredOutputs!;
        var compiled = Find(constraint.Key);
        if (compiled is null)
        {
            compiled = Build(constraint);
            compiled.MaskOf(compiled.Start, stripsSpace); // the first step finds it done
            Keep(constraint.Key, compiled);
        }
        return new TokenConstraint(compiled, stripsSpace, sampling.IgnoreEos);
    }

    private CompiledConstraint Build(StructuredOutputParams constraint)
    {
        var vocabulary = _vocabulary.Value;
        try
        {
            return new CompiledConstraint(ConstraintGrammar.Build(constraint, vocabulary.Alphabet), vocabulary);
        }
        catch (ArgumentException e)
        {
            throw new GenerationRefusedException(e.Message.Replace($" (Parameter '{e.ParamName}')", "", StringComparison.Ordinal));
        }
    }

    private CompiledConstraint? Find(string key)
    {
        lock (_lock)
        {
            for (var node = _kept.First; node is not null; node = node.Next)
            {
                if (node.Value.Key == key)
                {
                    _kept.Remove(node);
                    _kept.AddFirst(node);
                    return node.Value.Compiled;
                }
            }
        }
        return null;
    }

    private void Keep(string key, CompiledConstraint compiled)
    {
        lock (_lock)
        {
            _kept.AddFirst((key, compiled));
            if (_kept.Count > MostKept)
            {
                _kept.RemoveLast();
            }
        }
    }
}
