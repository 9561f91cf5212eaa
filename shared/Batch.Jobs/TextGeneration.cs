using System.Text;
using Batch.Inference.Engine;
using Batch.Inference.Tokenizers;
using Batch.Jobs.Receipts;
using Batch.Jobs.Runs;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;

namespace Batch.Jobs;

/// <summary>
/// All n choices of one request: n texts of the same prompt, generated side by side, choice i drawn with seed + i, or the
/// n best that a beam search finds, possibly fewer. A choice that is cancelled has the finish
/// reason cancelled; one that fails ends the others.
/// </summary>
/// <param name="engine">Writes the texts.</param>
/// <param name="request">Validated, with a seed.</param>
/// <param name="operation">The conventions' name of what is done, for its span.</param>
/// <param name="prefix">What each text begins with: the prompt's text, where echo asks for it.</param>
/// <param name="from">Where an earlier run of the same request stood; one of another is passed over, as by a beam search.</param>
public sealed class TextGeneration(LlmEngine engine, GenerationRequest request, string operation, string prefix = "", RunCheckpoint? from = null)
{
    // So many choices are in line like anybody; each further one lets as many more pass, so that one job of a hundred takes no engine for itself.
    private const int Ahead = 4;

    // Most texts of batches end before a checkpoint is due.
    private readonly Lazy<string> _identity = new(() => RunCheckpoint.IdentityOf(engine.Model, request));
    private readonly Lock _lock = new();
    private readonly StringBuilder _first = new(prefix); // the first choice's text
    private readonly int[] _tokens = new int[request.Sampling.N];
    private readonly CheckpointRecorder[] _drawn = [.. Enumerable.Range(0, request.Sampling.N).Select(_ => new CheckpointRecorder())];
    private CompletionReceipt[] _completions = new CompletionReceipt[request.Sampling.N];

    /// <summary>What came out, for the receipt.</summary>
    public IReadOnlyList<CompletionReceipt> Completions => _completions;

    /// <summary>Of every prompt token but the first, where asked for.</summary>
    public IReadOnlyList<TokenScore>? PromptLogprobs { get; private set; }

    /// <summary>Tokens of the prompt that the first choice found computed.</summary>
    public int CachedTokens { get; private set; }

    /// <summary>Tokens so far, of all choices.</summary>
    public int CompletionTokens
    {
        get
        {
            lock (_lock)
            {
                return _tokens.Sum();
            }
        }
    }

    /// <summary>How far it is, to be gone on from. Any thread.</summary>
    public RunCheckpoint Take()
    {
        lock (_lock)
        {
            return new RunCheckpoint(_identity.Value, _first.ToString(), _tokens.Sum(), [.. _drawn.Select(choice => choice.Take())]);
        }
    }

    /// <param name="update">Told of each piece of each choice, from several threads.</param>
    /// <param name="cancellationToken">Ends the choices; the texts so far stand.</param>
    public async Task<IReadOnlyList<JobChoice>> RunAsync(Action<int, GenerationUpdate> update, CancellationToken cancellationToken)
    {
        using var span = GenerationSpan.Start(engine.Model, request, operation);
        try
        {
            var choices = await GenerateAsync(Told, cancellationToken);
            span.End(choices);
            return choices;
        }
        catch (Exception e)
        {
            span.Fail(e);
            throw;
        }

        void Told(int index, GenerationUpdate piece)
        {
            span.Add(index, piece);
            update(index, piece);
        }
    }

    private async Task<IReadOnlyList<JobChoice>> GenerateAsync(Action<int, GenerationUpdate> update, CancellationToken cancellationToken)
    {
        if (request.Sampling.NumBeams > 1)
        {
            return await SearchAsync(update, cancellationToken);
        }

        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var choices = Enumerable.Range(0, request.Sampling.N).Select(async index =>
        {
            try
            {
                return await RunChoiceAsync(index, update, failed.Token);
            }
            catch
            {
                await failed.CancelAsync();
                throw;
            }
        });
        return await Task.WhenAll(choices);
    }

    private async Task<IReadOnlyList<JobChoice>> SearchAsync(Action<int, GenerationUpdate> update, CancellationToken cancellationToken)
    {
        var found = await engine.SearchAsync(request, length => Tell(0, new GenerationUpdate("", length, null), update), cancellationToken);
        var choices = new JobChoice[found.Count];
        _completions = new CompletionReceipt[found.Count];
        for (var index = 0; index < found.Count; index++)
        {
            var text = found[index];
            Tell(index, text, update);
            _completions[index] = CompletionReceipt.Of(request.Sampling.Seed!.Value, text.TokenIds!);
            choices[index] = new JobChoice(index, prefix + text.Text, ReasonOf(text)) { StopReason = text.StopReason, Score = text.Score };
        }

        return choices;
    }

    private static string ReasonOf(GenerationUpdate last) => last.FinishReason!.Value.ToString().ToLowerInvariant();

    private async Task<JobChoice> RunChoiceAsync(int index, Action<int, GenerationUpdate> update, CancellationToken cancellationToken)
    {
        var text = new StringBuilder(prefix);
        var scores = request.Sampling.Logprobs is null ? null : new List<TokenScore>();
        GenerationUpdate? last = null;
        var choice = Choice(index);
        await foreach (var piece in engine.GenerateAsync(choice, cancellationToken))
        {
            piece.ApplyTo(text);
            if (piece.Logprobs is { } logprobs)
            {
                scores?.Add(Score(logprobs, engine.Tokenizer));
            }

            if (piece.PromptLogprobs is { } prompt)
            {
                PromptLogprobs = [.. prompt.Select(token => Score(token, engine.Tokenizer))];
            }

            Tell(index, last = piece, update);
        }

        if (last?.FinishReason is null)
        {
            throw new InvalidOperationException($"the engine ended the text of {request.Id} without a reason");
        }

        CachedTokens = index == 0 ? last.CachedTokens : CachedTokens;
        _completions[index] = CompletionReceipt.Of(choice.Sampling.Seed!.Value, last.TokenIds ?? [], last.Interventions);
        return new JobChoice(index, text.ToString(), ReasonOf(last))
        {
            StopReason = last.StopReason,
            Interventions = last.Interventions,
            Logprobs = scores is null ? null : new ChoiceLogprobs(scores),
        };
    }

    private void Tell(int index, GenerationUpdate piece, Action<int, GenerationUpdate> update)
    {
        lock (_lock)
        {
            if (index == 0)
            {
                piece.ApplyTo(_first);
            }

            _tokens[index] = piece.CompletionTokens;
            _drawn[index].Add(piece);
        }

        update(index, piece);
    }

    // Choices share the prompt, so the engine computes it once for all; only the first scores it.
    private GenerationRequest Choice(int index) => index == 0 ? request with { Resume = ResumeOf(0) } : request with
    {
        Resume = ResumeOf(index),
        Behind = Math.Max(0, index - (Ahead - 1)) * Ahead,
        Id = $"{request.Id}#{index}",
        Sampling = request.Sampling with { Seed = unchecked(request.Sampling.Seed + (ulong)index), PromptLogprobs = null, Echo = false },
    };

    private GenerationCheckpoint? ResumeOf(int index) => from is not null && from.Identity == _identity.Value && from.Choices.Count == request.Sampling.N ? from.Choices[index] : null;

    internal static TokenScore Score(TokenLogprobs token, HfTokenizer tokenizer) =>
        Score(new TokenLogprob(token.TokenId, token.Logprob), tokenizer) with
        {
            Rank = token.Rank,
            TopLogprobs = [.. token.Top.Select(top => Score(top, tokenizer))],
        };

    private static TokenScore Score(TokenLogprob token, HfTokenizer tokenizer)
    {
        const float Least = -9999f; // OpenAI's and vLLM's stand-in for what JSON cannot say
        var bytes = token.TokenId < tokenizer.VocabularySize ? tokenizer.GetBytes(token.TokenId).ToArray() : [];
        return new TokenScore(Encoding.UTF8.GetString(bytes), token.TokenId, Math.Max(token.Logprob, Least), [.. bytes.Select(b => (int)b)]);
    }
}
