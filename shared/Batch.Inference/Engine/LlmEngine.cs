using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Batch.Inference.Engine.Interventions;
using Batch.Inference.Engine.Logits;
using Batch.Inference.Engine.StructuredOutput;
using Batch.Inference.Kernels;
using Batch.Inference.Models;
using Batch.Inference.Tokenizers;
using Batch.Inference.Weights;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Batch.Inference.Engine;

/// <summary>
/// Generates texts for any number of callers at once, batching them continuously. Callers wait on a channel; one thread of its own owns every tensor
/// and runs step after step: schedule, run, sample, update.
/// </summary>
public partial class LlmEngine : IAsyncDisposable
{
    private readonly BlockingCollection<Sequence> _arrivals = [];
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly LoadedModel _model = null!;
    private readonly Scheduler _scheduler = null!;
    private readonly Sampler _sampler = null!;
    private readonly RowLogprobs _promptLogprobs = null!;
    private readonly LogitsProcessors _processors = null!;
    private readonly ConstraintCompiler _constraints = null!;
    private readonly ILogger<LlmEngine> _logger = NullLogger<LlmEngine>.Instance;
    private readonly EngineOptions _options = new();
    private long _arrived;
    private long _drawn;
    private long _computed; // tokens, by the engine's thread alone
    private volatile bool _stopping;

    /// <summary>For tests that script an engine.</summary>
    protected LlmEngine()
    {
    }

    internal LlmEngine(LoadedModel model, EngineOptions options, ILogger<LlmEngine>? logger, StepClock? clock = null)
    {
        (_model, _options, _logger) = (model, options, logger ?? NullLogger<LlmEngine>.Instance);
        _scheduler = new Scheduler(options.MaxSequences, options.MaxBatchedTokens, model.Blocks);
        _sampler = new Sampler(model.Tokenizer.VocabularySize);
        _promptLogprobs = new RowLogprobs(model.Tokenizer.VocabularySize);
        _processors = new LogitsProcessors(model.Tokenizer, model.EndOfText);
        _constraints = new ConstraintCompiler(model.Tokenizer, model.EndOfText);
        new Thread(() => Loop(clock)) { Name = "LlmEngine", IsBackground = true }.Start();
    }

    /// <summary>What is loaded.</summary>
    public virtual ModelInfo Model => _model.Info;

    internal IReadOnlyCollection<int> EndOfText => _model.EndOfText;

    /// <summary>Encodes prompts for this model.</summary>
    public virtual HfTokenizer Tokenizer => _model.Tokenizer;

    /// <summary>Sequences that lost their cache blocks and started over, since the start.</summary>
    public long Preemptions => _scheduler?.Preemptions ?? 0;

    /// <summary>Tokens drawn since the start; those of a checkpoint are not drawn again.</summary>
    public virtual long DrawnTokens => Interlocked.Read(ref _drawn);

    /// <summary>How busy it is now.</summary>
    public virtual EngineUse Use => _scheduler is null ? default : new EngineUse(
        _scheduler.Running, _scheduler.Waiting + _arrivals.Count, _scheduler.Seats, (long)(_model.Blocks.Blocks - _model.Blocks.Free) * _model.Blocks.BlockSize,
        (long)_model.Blocks.Blocks * _model.Blocks.BlockSize, Volatile.Read(ref _computed), DrawnTokens, Preemptions);

    /// <summary>Loads the model; takes as long as reading its files. Errors name the file and what was expected.</summary>
    /// <exception cref="InvalidDataException">A file is truncated, malformed or does not fit the config.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="NotSupportedException">The config asks for what this engine cannot do.</exception>
    public static LlmEngine Load(EngineOptions options, ILogger<LlmEngine>? logger = null, IProgress<LoadProgress>? progress = null)
    {
        if (MaskFiller.Serves(ModelConfig.Load(Path.GetFullPath(options.ModelPath))))
        {
            return MaskFiller.Load(options, logger, progress);
        }
        if (Devices.Split(options.Device) is { Count: > 1 } devices)
        {
            return EngineReplicas.Load(options, devices, logger, progress);
        }
        options = options.On(Devices.Split(options.Device)[0]);
        var model = ModelLoader.Load(options, progress: progress);
        var engine = new LlmEngine(model, options, logger);
        engine.LogLoaded(model.Info.Name, model.Info.Family, model.Info.Parameters, model.Info.DType, model.Info.Device, model.Info.ContextLength, model.Blocks.Blocks * model.Blocks.BlockSize);
        return engine;
    }

    /// <summary>
    /// Streams a text as it is generated. Cancelling frees the sequence's place before the next step and ends the stream with a last update of
    /// <see cref="FinishReason.Cancelled"/>; it does not throw, since the text so far stands.
    /// </summary>
    /// <exception cref="ArgumentException">The prompt is empty or too long, prompt or parameters hold an id that the model does not know, or the parameters leave no token to draw.</exception>
    /// <exception cref="InvalidDataException">The model gave logits that are no numbers.</exception>
    public virtual async IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        Validate(request);
        if (request.Sampling.NumBeams > 1)
        {
            yield return (await SearchAsync(request, null, cancellationToken))[0];
            yield break;
        }
        var sequence = Begin(request);
        using var cancellation = cancellationToken.Register(sequence.Cancel);
        ObjectDisposedException.ThrowIf(_stopping || !(sequence.HasEnded || TryAdd(sequence)), this);
        try
        {
            await foreach (var update in sequence.Updates.ReadAllAsync(CancellationToken.None))
            {
                yield return update;
            }
        }
        finally
        {
            sequence.Cancel(); // a caller who leaves early leaves the batch, too
        }
    }

    /// <summary>
    /// The n likeliest texts that a beam search finds, best first, each whole as one last update. Cancelling ends the search with the beams so far.
    /// </summary>
    /// <param name="request">With num_beams above 1.</param>
    /// <param name="progress">Told of each step: how many tokens long the beams are.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    public virtual async Task<IReadOnlyList<GenerationUpdate>> SearchAsync(GenerationRequest request, Action<int>? progress, CancellationToken cancellationToken = default)
    {
        Validate(request);
        var beams = await new BeamSearch(this, request).RunAsync(progress, cancellationToken);
        return [.. beams.Select(beam => Told(request, beam))];
    }

    /// <summary>Cancels what runs and frees the model.</summary>
    public virtual async ValueTask DisposeAsync()
    {
        if (!_stopping && _model is not null)
        {
            _stopping = true;
            _arrivals.CompleteAdding();
            await _stopped.Task;
            _model.Runner.Dispose();
            _arrivals.Dispose();
        }
        GC.SuppressFinalize(this);
    }

    private void Validate(GenerationRequest request)
    {
        var prompt = request.PromptTokenIds;
        if (prompt.Count == 0)
        {
            throw new ArgumentException("the prompt is empty; it needs at least 1 token", nameof(request));
        }
        if (prompt.Count >= Model.ContextLength)
        {
            throw new ArgumentException($"the prompt has {prompt.Count} tokens; {Model.Name} takes at most {Model.ContextLength - 1}, and 1 for the text", nameof(request));
        }
        if (prompt.FirstOrDefault(id => id < 0 || id >= Model.VocabularySize, -1) is var wrong && wrong != -1)
        {
            throw new ArgumentException($"the prompt holds token {wrong}; {Model.Name} has ids 0 to {Model.VocabularySize - 1}", nameof(request));
        }
        request.Sampling.ValidateTokens(Tokenizer.VocabularySize);
    }

    private Sequence NewSequence(GenerationRequest request)
    {
        var sampling = request.Sampling;
        var continuesText = ContinuesText(request);
        var rules = InterventionRules.Create(sampling, Tokenizer);
        return new Sequence(request, sampling.Seed ?? CounterRandom.SeedOf(request.Id), NewText(request), Place(request))
        {
            Processors = rules is null ? _processors.Create(sampling) : [.. _processors.Create(sampling), new InterventionBans()],
            Constraint = sampling.StructuredOutputs is null ? null : _constraints.Compile(sampling, stripsSpace: Tokenizer.StripsLeadingSpace && !continuesText),
            Lookup = NewLookup(request),
            Interventions = rules is null ? null : new InterventionState(rules, sampling, Tokenizer, continuesText),
        };
    }

    // In line, different for each: so many places back as the request asks for, behind who stands there already.
    private long Place(GenerationRequest request)
    {
        var arrival = Interlocked.Increment(ref _arrived);
        return ((arrival + request.Behind) << 20) | (arrival & 0xFFFFF);
    }

    private GenerationUpdate Told(GenerationRequest request, Beam beam)
    {
        var text = NewText(request);
        var shown = beam.FinishReason != FinishReason.Stop || request.Sampling.IncludeStopStrInOutput ? beam.TokenIds : beam.TokenIds.SkipLast(1);
        var pieces = string.Concat(shown.Select(token => text.Append(token, mayStop: false, out _)));
        return new GenerationUpdate(pieces + text.Flush(), beam.TokenIds.Count, beam.FinishReason) { StopReason = beam.StopReason, TokenIds = beam.TokenIds, Score = beam.Score };
    }

    private TextStream NewText(GenerationRequest request) =>
        new(Tokenizer, request.Sampling.Stop, ContinuesText(request), request.Sampling.IncludeStopStrInOutput, request.Sampling.SkipSpecialTokens);

    private bool ContinuesText(GenerationRequest request) => request.PromptTokenIds.Any(id => !IsControl(id));

    private bool IsControl(int id) => id >= Tokenizer.VocabularySize || Tokenizer.IsSpecial(id);

    private bool TryAdd(Sequence sequence)
    {
        try
        {
            sequence.IsInside = true;
            return _arrivals.TryAdd(sequence);
        }
        catch (InvalidOperationException) // no more adding: the engine is stopping
        {
            return false;
        }
    }

    private void Loop(StepClock? clock)
    {
        clock?.Start();
        while (!_stopping)
        {
            using (StepClock.In(StepPhase.Schedule))
            {
                Admit();
                EndCancelled();
            }
            try
            {
                Step();
            }
            catch (Exception e) when (Devices.IsOutOfMemory(e) && _scheduler.Running > 0)
            {
                Shed(e);
            }
            catch (Exception e)
            {
                // A step is all or nothing: who was in it hears of it, and the engine is empty and sound for the next.
                LogStepFailed(e);
                _scheduler.Failed();
                FailAll(e);
            }
        }
        FailAll(new ObjectDisposedException(nameof(LlmEngine)));
        _stopped.SetResult();
    }

    // Takes new sequences in; waits for one when there is nothing else to do.
    private void Admit()
    {
        var idle = _scheduler.Running + _scheduler.Waiting == 0;
        using var lap = StepClock.In(idle ? StepPhase.Idle : StepPhase.Schedule);
        while (_arrivals.TryTake(out var sequence, idle ? Timeout.Infinite : 0))
        {
            _scheduler.Add(sequence);
            idle = false;
        }
    }

    private void EndCancelled()
    {
        while (_scheduler.FindCancelled() is { } sequence)
        {
            End(sequence, new GenerationUpdate(sequence.Text.Flush(), sequence.CompletionTokens, FinishReason.Cancelled) { CachedTokens = sequence.CachedTokens });
        }
    }

    private void ScorePrompt(Sequence sequence, int position, ReadOnlySpan<float> logits) => sequence.PromptLogprobs!.Add(
        _promptLogprobs.Of(logits[..Tokenizer.VocabularySize], sequence.Tokens[position + 1], sequence.Sampling.PromptTop!.Value));

    // A sequence's next token, and whether it was the last.
    private void Advance(Sequence sequence, SampledToken sampled)
    {
        if (sampled.Failure is { } failure)
        {
            Fail(sequence, failure, callersFault: sampled == SampledToken.NoneAllowed);
            return;
        }
        sequence.Append(sampled.Id);
        sequence.Constraint?.Accept(sampled.Id);
        var (finish, stopReason) = Ending(sequence, sampled.Id);
        var text = "";
        if (finish != FinishReason.Stop || sequence.Sampling.IncludeStopStrInOutput || sequence.Constraint is { IsComplete: true })
        {
            text = sequence.Text.Append(sampled.Id, mayStop: sequence.CompletionTokens > sequence.Sampling.MinTokens, out var stop);
            (finish, stopReason) = stop is null ? (finish, stopReason) : (FinishReason.Stop, new StopReason(stop, null));
        }
        if (finish is not null && stopReason?.Text is null)
        {
            text += sequence.Text.Flush();
        }
        var update = new GenerationUpdate(text, sequence.CompletionTokens, finish)
        {
            StopReason = stopReason,
            Drawn = new DrawnToken(sampled.Id, sampled.Entropy, sampled.Logprobs),
            Logprobs = sampled.Logprobs,
            CachedTokens = sequence.CachedTokens,
            PromptLogprobs = sequence.CompletionTokens == 1 ? sequence.PromptLogprobs : null,
        };
        if (finish is null)
        {
            sequence.Publish(update);
            if (sequence.Interventions is { } interventions)
            {
                Intervene(sequence, interventions, sampled);
            }
        }
        else
        {
            End(sequence, update);
        }
    }

    // Why the text ends with this token, stop strings left aside; vLLM's order (check_stop).
    private (FinishReason?, StopReason?) Ending(Sequence sequence, int token)
    {
        var sampling = sequence.Sampling;
        if (_model.EndOfText.Contains(token) && !sampling.IgnoreEos)
        {
            return (FinishReason.Stop, null);
        }
        if (sequence.Constraint is { IsComplete: true }) // with or without an end-of-text token to say so
        {
            return (FinishReason.Stop, null);
        }
        if (sampling.StopTokenIds.Contains(token))
        {
            return (FinishReason.Stop, new StopReason(null, token));
        }
        if (sequence.CompletionTokens >= sampling.MaxTokens || sequence.Tokens.Count >= Model.ContextLength)
        {
            return (FinishReason.Length, null);
        }
        return sequence.RepeatsItself() ? (FinishReason.Repetition, null) : (null, null);
    }

    private void End(Sequence sequence, GenerationUpdate last)
    {
        Leave(sequence);
        sequence.Publish(last with { TokenIds = sequence.Tokens[sequence.PromptTokens..], Interventions = sequence.Interventions?.Trail });
    }

    private void Fail(Sequence sequence, string failure, bool callersFault)
    {
        Leave(sequence);
        var message = $"{failure}, after {sequence.CompletionTokens} tokens of text";
        sequence.Fail(callersFault ? new GenerationRefusedException(message) : new InvalidDataException(message));
    }

    // One that is replayed is not inside yet.
    private void Leave(Sequence sequence)
    {
        if (sequence.IsInside)
        {
            _scheduler.Remove(sequence);
        }
    }

    // The last in line makes room for the others, who start over.
    private void Shed(Exception error)
    {
        var running = _scheduler.Running;
        var last = _scheduler.Shed();
        LogShed(error, last.Request.Id, running);
        last.Fail(new InsufficientMemoryException(
            $"{Model.Device} ran out of memory in a step of {running} sequences, and this one was the last in line; the others go on. Lower MaxSequences, MaxBatchedTokens or CacheTokens, or ask for less", error));
    }

    private void FailAll(Exception error)
    {
        while (_arrivals.TryTake(out var sequence))
        {
            _scheduler.Add(sequence);
        }
        foreach (var sequence in _scheduler.All())
        {
            _scheduler.Remove(sequence);
            sequence.Fail(error);
        }
    }

    [LoggerMessage(LogLevel.Information, "Loaded {Model} ({Family}, {Parameters} parameters, {DType} on {Device}); context {Context}, cache for {CacheTokens} tokens")]
    private partial void LogLoaded(string model, string family, long parameters, string dType, string device, int context, int cacheTokens);

    [LoggerMessage(LogLevel.Warning, "Out of memory in a step of {Running} sequences: {Id} ends, the others start over")]
    private partial void LogShed(Exception error, string id, int running);

    [LoggerMessage(LogLevel.Error, "A step failed; the sequences in it end with this error")]
    private partial void LogStepFailed(Exception error);
}
