using Batch.Inference.Kernels;

namespace Batch.Inference.Engine;

public partial class LlmEngine
{
    private readonly List<Row> _rows = [];
    private readonly List<Sequence> _drawing = [];
    private readonly List<int> _drawnFrom = [];

    /// <summary>Tokens that were guessed from earlier places of the text, since the start.</summary>
    public long GuessedTokens { get; private set; }

    /// <summary>Those of them that the model chose, too: each spared a step of its text.</summary>
    public long ConfirmedTokens { get; private set; }

    /// <summary>A sequence's next row of logits.</summary>
    /// <param name="Sequence">Whose.</param>
    /// <param name="At">Which row of the step's.</param>
    /// <param name="Guess">What is guessed to come next; the rows after <paramref name="At"/> are those of its tokens.</param>
    /// <param name="Right">How many tokens were guessed right in this step.</param>
    private readonly record struct Row(Sequence Sequence, int At, ReadOnlyMemory<int> Guess, int Right);

    private void Step()
    {
        var step = Schedule();
        if (step.Count == 0)
        {
            return;
        }
        var logits = _model.Runner.Run(step, ScorePrompt);
        using var lap = StepClock.In(StepPhase.Update);
        var rows = 0;
        _rows.Clear();
        foreach (var scheduled in step)
        {
            _scheduler.Computed(scheduled);
            _computed += scheduled.Rows;
            if (scheduled.Sequence.PendingTokens == 0)
            {
                _rows.Add(new Row(scheduled.Sequence, rows, scheduled.Guess, 0));
                rows += 1 + scheduled.Guess.Length;
            }
        }
        // A token of each, then a second of those whose first was guessed, and so on: each is drawn from the same logits, with the same noise and after the
        // same text as in a step of its own.
        while (_rows.Count > 0)
        {
            Draw(logits);
        }
    }

    private IReadOnlyList<ScheduledSequence> Schedule()
    {
        using var lap = StepClock.In(StepPhase.Schedule);
        return _scheduler.Schedule();
    }

    private void Draw(Span<float> logits)
    {
        _drawing.Clear();
        _drawnFrom.Clear();
        foreach (var row in _rows)
        {
            _drawing.Add(row.Sequence);
            _drawnFrom.Add(row.At);
        }
        var tokens = _sampler.Sample(logits, Model.VocabularySize, _drawing, _drawnFrom);
        Interlocked.Add(ref _drawn, tokens.Length);
        var goOn = 0;
        for (var i = 0; i < tokens.Length; i++)
        {
            var (sequence, at, guess, right) = _rows[i];
            var computed = sequence.ComputedTokens;
            Advance(sequence, tokens[i]);
            if (guess.Length > 0 && IsRight(sequence, guess.Span[0], computed))
            {
                _scheduler.Confirmed(sequence);
                _rows[goOn++] = new Row(sequence, at + 1, guess[1..], right + 1);
            }
            else if (right + guess.Length > 0)
            {
                sequence.Lookup!.Observe(right + guess.Length, right);
                (GuessedTokens, ConfirmedTokens) = (GuessedTokens + right + guess.Length, ConfirmedTokens + right);
            }
        }
        _rows.RemoveRange(goOn, _rows.Count - goOn);
    }

    // The text goes on with the token that was guessed, and with nothing else: an intervention may have added or taken back.
    private static bool IsRight(Sequence sequence, int guess, int computed) =>
        !sequence.HasEnded && sequence.ComputedTokens == computed && sequence.PendingTokens == 1 && sequence.Tokens[^1] == guess;

    // A beam's step is one token.
    private PromptLookup? NewLookup(GenerationRequest request) => _options.PromptLookupTokens == 0 || request.BeamCandidates > 0 ? null : new PromptLookup(
        _options.PromptLookupTokens,
        _options.PromptLookupMaxNgram,
        (int)Math.Min(Model.ContextLength, request.PromptTokenIds.Count - request.TextTokens + (long)(request.Sampling.MaxTokens ?? Model.ContextLength)));
}
