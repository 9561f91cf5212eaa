using System.Collections.Concurrent;
using Batch.Inference.Models;
using Batch.Inference.Tokenizers;
using Batch.Inference.Weights;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using static TorchSharp.torch;

namespace Batch.Inference.Engine;

/// <summary>
/// An engine whose model fills blanks instead of writing on. Any number of callers wait; one thread of its own owns every tensor, takes what waits together,
/// and computes it in one pass without padding, attention kept to each text, so that no answer depends on its neighbours.
/// </summary>
public partial class MaskFiller : LlmEngine
{
    private readonly BlockingCollection<Waiting> _arrivals = [];
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Bert _bert = null!;
    private readonly Device _device = null!;
    private readonly int _mostTokens, _rowGroup;
    private readonly ILogger _logger = NullLogger.Instance;

    /// <summary>For tests that script one.</summary>
    protected MaskFiller()
    {
        (Model, Tokenizer) = (null!, null!);
        _stopped.SetResult();
    }

    private MaskFiller(Bert bert, ModelInfo info, HfTokenizer tokenizer, Device device, int rowGroup, EngineOptions options, ILogger? logger)
    {
        (_bert, Model, Tokenizer, _device, _rowGroup, _mostTokens, _logger) = (bert, info, tokenizer, device, rowGroup, options.MaxBatchedTokens, logger ?? NullLogger.Instance);
        new Thread(Loop) { Name = nameof(MaskFiller), IsBackground = true }.Start();
    }

    private sealed record Waiting(MaskedText Text, TaskCompletionSource<float[][]> Probabilities, CancellationToken Cancellation);

    public override ModelInfo Model { get; }

    public override HfTokenizer Tokenizer { get; }

    /// <summary>Whether the folder's model is of this kind.</summary>
    internal static bool Serves(ModelConfig config) => config.ModelType == Bert.ModelType;

    /// <inheritdoc cref="LlmEngine.Load"/>
    internal static MaskFiller Load(EngineOptions options, ILogger? logger = null, IProgress<LoadProgress>? progress = null)
    {
        var folder = Path.GetFullPath(options.ModelPath);
        var config = ModelConfig.Load(folder);
        var tokenizer = HfTokenizer.Load(folder);
        if (options.WeightDType != "auto")
        {
            throw new NotSupportedException($"{folder}: WeightDType must be auto for a model that fills blanks, was '{options.WeightDType}'");
        }
        if (tokenizer.MaskTokenId is null)
        {
            throw new InvalidDataException($"{folder}: the tokenizer names no mask_token, which a model that fills blanks needs");
        }
        var device = Devices.Resolve(options.Device);
        var dtype = Devices.ResolveDType(options.DType, device);
        if (options.Threads > 0)
        {
            set_num_threads(options.Threads);
        }

        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        using var weights = new WeightLoader(folder, dtype, [new DeviceRoom(device, 1)], int8: false, options.Weights, progress);
        var bert = new Bert(config, weights);
        ModelLoader.RequireTogether(folder, tokenizer, bert.VocabularySize);
        var context = options.MaxContextLength == 0 ? bert.ContextLength : Math.Min(options.MaxContextLength, bert.ContextLength);
        var info = new ModelInfo(options.ModelName ?? Path.GetFileName(folder.TrimEnd('/', '\\')), config.ModelType, dtype.ToString().ToLowerInvariant(), device.ToString(),
            weights.Parameters, context, bert.VocabularySize, weights.Fingerprint())
        {
            Provenance = ModelProvenance.Of(folder, device, dtype),
        };
        return new MaskFiller(bert, info, tokenizer, device, Devices.RowGroup(device, dtype), options, logger);
    }

    /// <summary>Refused: this model writes no text.</summary>
    public override IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException($"{Model.Name} is a {Model.Family} model, which fills blanks and writes no text");

    public override Task<IReadOnlyList<GenerationUpdate>> SearchAsync(GenerationRequest request, Action<int>? progress, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException($"{Model.Name} is a {Model.Family} model, which fills blanks and writes no text");

    /// <summary>The text's ids; each mask token written in it is a blank.</summary>
    /// <exception cref="ArgumentException">There is no blank, or the text is too long.</exception>
    public virtual MaskedText Read(string text)
    {
        var ids = Tokenizer.EncodeMasked(text);
        var blanks = Enumerable.Range(0, ids.Length).Where(i => ids[i] == Tokenizer.MaskTokenId).ToArray();
        if (blanks.Length == 0)
        {
            throw new ArgumentException($"the text holds no {Tokenizer.MaskToken}; write one for each blank", nameof(text));
        }
        return ids.Length <= Model.ContextLength
            ? new MaskedText(ids, blanks)
            : throw new ArgumentException($"the text has {ids.Length} tokens; {Model.Name} takes at most {Model.ContextLength}", nameof(text));
    }

    /// <summary>The id of a word that is one token: as the vocabulary writes it, else as a text of that word alone gives it; null for any other.</summary>
    public virtual int? FindToken(string word)
    {
        var id = Tokenizer.FindToken(word) ?? (Tokenizer.Encode(word, addSpecialTokens: false) is [var only] ? only : null);
        return id is { } found && !Tokenizer.IsSpecial(found) ? found : null;
    }

    /// <summary>
    /// For each blank the most likely tokens, best first; equals by id. A blank's candidates show the text with that blank filled and the others left.
    /// </summary>
    /// <param name="text">Read by this engine.</param>
    /// <param name="count">How many candidates, from 1.</param>
    /// <param name="targets">Ranks only these ids; null ranks all.</param>
    public virtual async Task<IReadOnlyList<IReadOnlyList<MaskCandidate>>> FillAsync(
        MaskedText text, int count, IReadOnlyCollection<int>? targets = null, CancellationToken cancellationToken = default)
    {
        var waiting = new Waiting(text, new TaskCompletionSource<float[][]>(TaskCreationOptions.RunContinuationsAsynchronously), cancellationToken);
        ObjectDisposedException.ThrowIf(!TryAdd(waiting), this);
        var probabilities = await waiting.Probabilities.Task.WaitAsync(cancellationToken);
        return [.. text.Blanks.Select((place, blank) => Rank(text, place, probabilities[blank], count, targets))];
    }

    public override async ValueTask DisposeAsync()
    {
        if (!_arrivals.IsAddingCompleted)
        {
            _arrivals.CompleteAdding();
            await _stopped.Task;
            _bert?.Dispose();
        }
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private MaskCandidate[] Rank(MaskedText text, int place, float[] probabilities, int count, IReadOnlyCollection<int>? targets) =>
    [
        .. (targets?.Distinct() ?? Enumerable.Range(0, Tokenizer.VocabularySize)).OrderByDescending(id => probabilities[id]).ThenBy(id => id).Take(count)
            .Select(id => new MaskCandidate(Tokenizer.GetToken(id), id, probabilities[id], Fill(text, new Dictionary<int, int> { [place] = id }))),
    ];

    /// <summary>The text with some blanks filled and the others as they were, without the marks around it.</summary>
    /// <param name="tokens">The token of each place to fill.</param>
    public virtual string Fill(MaskedText text, IReadOnlyDictionary<int, int> tokens)
    {
        var ids = text.TokenIds.Select((id, i) => tokens.GetValueOrDefault(i, id));
        return Tokenizer.Decode([.. ids.Where(id => id == Tokenizer.MaskTokenId || !Tokenizer.IsSpecial(id))], skipSpecialTokens: false);
    }

    private bool TryAdd(Waiting waiting)
    {
        try
        {
            return _arrivals.TryAdd(waiting);
        }
        catch (InvalidOperationException) // no more adding: the engine is stopping
        {
            return false;
        }
    }

    private void Loop()
    {
        Waiting? next = null;
        while (next is not null || _arrivals.TryTake(out next, Timeout.Infinite))
        {
            var together = new List<Waiting> { next };
            var tokens = next.Text.TokenIds.Count;
            for (next = null; _arrivals.TryTake(out next); together.Add(next))
            {
                tokens += next.Text.TokenIds.Count;
                if (tokens > _mostTokens)
                {
                    break;
                }
            }
            Answer(together.FindAll(waiting => !waiting.Cancellation.IsCancellationRequested));
        }
        _stopped.SetResult();
    }

    private void Answer(List<Waiting> together)
    {
        try
        {
            var probabilities = Compute(together.ConvertAll(waiting => waiting.Text));
            for (var i = 0; i < together.Count; i++)
            {
                together[i].Probabilities.SetResult(probabilities[i]);
            }
        }
        catch (Exception e)
        {
            // A pass is all or nothing: who was in it hears of it, and the engine is sound for the next.
            LogPassFailed(e);
            together.ForEach(waiting => waiting.Probabilities.TrySetException(e));
        }
    }

    /// <returns>[texts][blanks][vocabulary]</returns>
    private List<float[][]> Compute(List<MaskedText> texts)
    {
        var answers = new List<float[][]>(texts.Count);
        if (texts.Count == 0)
        {
            return answers;
        }
        using var scope = NewDisposeScope();
        using var mode = inference_mode();
        var (ids, positions, blanks) = (new List<long>(), new List<long>(), new List<long>());
        foreach (var text in texts)
        {
            blanks.AddRange(text.Blanks.Select(blank => (long)ids.Count + blank));
            ids.AddRange(text.TokenIds.Select(id => (long)id));
            positions.AddRange(Enumerable.Range(0, text.TokenIds.Count).Select(position => (long)position));
        }
        var rows = blanks.Count;
        Pad(ids, 0);
        Pad(positions, 0);
        Pad(blanks, blanks[^1]);
        var hidden = _bert.Forward(tensor(ids.ToArray(), device: _device), tensor(positions.ToArray(), device: _device), texts.ConvertAll(text => text.TokenIds.Count));
        var logits = _bert.Head(hidden.index_select(0, tensor(blanks.ToArray(), device: _device))).narrow(0, 0, rows);
        var probabilities = logits.to(ScalarType.Float32).softmax(-1).cpu().contiguous().data<float>().ToArray();
        var row = 0;
        foreach (var text in texts)
        {
            answers.Add([.. text.Blanks.Select(_ => probabilities.AsSpan(row++ * _bert.VocabularySize, _bert.VocabularySize).ToArray())]);
        }
        return answers;
    }

    // Whole row groups, so that a row's numbers are the same bit for bit whoever shares the pass.
    private void Pad(List<long> rows, long value)
    {
        while (rows.Count % _rowGroup != 0)
        {
            rows.Add(value);
        }
    }

    [LoggerMessage(LogLevel.Error, "A pass failed; the texts in it end with this error")]
    private partial void LogPassFailed(Exception error);
}
