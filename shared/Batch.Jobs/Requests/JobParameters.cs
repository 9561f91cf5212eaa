using Batch.Inference.Engine;
using Batch.Inference.Engine.Interventions;
using Batch.Inference.Engine.StructuredOutput;

namespace Batch.Jobs.Requests;

/// <summary>
/// The sampling parameters as given, under vLLM's names; null where the caller left the choice to the model or to
/// <see cref="SamplingParams"/>, which says what they mean.
/// </summary>
public sealed record JobParameters
{
    /// <summary>A max_tokens that reaches to the context's end, however long the prompt is.</summary>
    public const int ToContextEnd = int.MaxValue;

    /// <summary><see cref="ToContextEnd"/> where the caller wrote null.</summary>
    public int? MaxTokens { get; init; }

    public int? MinTokens { get; init; }

    public int? N { get; init; }

    public IReadOnlyList<Intervention>? Interventions { get; init; }

    public float? Temperature { get; init; }

    public int? TopK { get; init; }

    public float? TopP { get; init; }

    public float? MinP { get; init; }

    public float? TypicalP { get; init; }

    public float? PresencePenalty { get; init; }

    public float? FrequencyPenalty { get; init; }

    public float? RepetitionPenalty { get; init; }

    public ulong? Seed { get; init; }

    public IReadOnlyList<string>? Stop { get; init; }

    public IReadOnlyList<int>? StopTokenIds { get; init; }

    public bool? IncludeStopStrInOutput { get; init; }

    public bool? IgnoreEos { get; init; }

    public bool? SkipSpecialTokens { get; init; }

    public bool? Echo { get; init; }

    public int? Logprobs { get; init; }

    public int? PromptLogprobs { get; init; }

    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    public IReadOnlyList<int>? AllowedTokenIds { get; init; }

    public IReadOnlyList<string>? BadWords { get; init; }

    public int? NoRepeatNgramSize { get; init; }

    public float? DryMultiplier { get; init; }

    public float? DryBase { get; init; }

    public int? DryAllowedLength { get; init; }

    public IReadOnlyList<string>? DrySequenceBreakers { get; init; }

    public RepetitionDetectionParams? RepetitionDetection { get; init; }

    public StructuredOutputParams? StructuredOutputs { get; init; }

    public int? NumBeams { get; init; }

    public float? LengthPenalty { get; init; }

    public EarlyStopping? EarlyStopping { get; init; }

    /// <summary>
    /// The parameters in effect: these where given, else <paramref name="defaults"/>. Throws <see cref="InvalidJobException"/> when out of
    /// range.
    /// </summary>
    public SamplingParams Over(SamplingParams defaults)
    {
        defaults = NumBeams > 1 ? DrawNothing(defaults) : defaults;
        return Refused(() => (defaults with
        {
            MaxTokens = MaxTokens == ToContextEnd ? null : MaxTokens ?? defaults.MaxTokens,
            MinTokens = MinTokens ?? defaults.MinTokens,
            N = N ?? defaults.N,
            Interventions = Interventions ?? defaults.Interventions,
            Temperature = Temperature ?? defaults.Temperature,
            TopK = TopK ?? defaults.TopK,
            TopP = TopP ?? defaults.TopP,
            MinP = MinP ?? defaults.MinP,
            TypicalP = TypicalP ?? defaults.TypicalP,
            PresencePenalty = PresencePenalty ?? defaults.PresencePenalty,
            FrequencyPenalty = FrequencyPenalty ?? defaults.FrequencyPenalty,
            RepetitionPenalty = RepetitionPenalty ?? defaults.RepetitionPenalty,
            Seed = Seed ?? defaults.Seed,
            Stop = Stop ?? defaults.Stop,
            StopTokenIds = StopTokenIds ?? defaults.StopTokenIds,
            IncludeStopStrInOutput = IncludeStopStrInOutput ?? defaults.IncludeStopStrInOutput,
            IgnoreEos = IgnoreEos ?? defaults.IgnoreEos,
            SkipSpecialTokens = SkipSpecialTokens ?? defaults.SkipSpecialTokens,
            Echo = Echo ?? defaults.Echo,
            Logprobs = Logprobs ?? defaults.Logprobs,
            PromptLogprobs = PromptLogprobs ?? defaults.PromptLogprobs,
            LogitBias = LogitBias ?? defaults.LogitBias,
            AllowedTokenIds = AllowedTokenIds ?? defaults.AllowedTokenIds,
            BadWords = BadWords ?? defaults.BadWords,
            NoRepeatNgramSize = NoRepeatNgramSize ?? defaults.NoRepeatNgramSize,
            DryMultiplier = DryMultiplier ?? defaults.DryMultiplier,
            DryBase = DryBase ?? defaults.DryBase,
            DryAllowedLength = DryAllowedLength ?? defaults.DryAllowedLength,
            DrySequenceBreakers = DrySequenceBreakers ?? defaults.DrySequenceBreakers,
            RepetitionDetection = RepetitionDetection ?? defaults.RepetitionDetection,
            StructuredOutputs = StructuredOutputs ?? defaults.StructuredOutputs,
            NumBeams = NumBeams ?? defaults.NumBeams,
            LengthPenalty = LengthPenalty ?? defaults.LengthPenalty,
            EarlyStopping = EarlyStopping ?? defaults.EarlyStopping,
        }).Validate());
    }

    /// <summary>What <paramref name="check"/> gives; what it refuses is the caller's mistake.</summary>
    internal static T Refused<T>(Func<T> check)
    {
        try
        {
            return check();
        }
        catch (ArgumentException e)
        {
            var message = e.Message.Replace($" (Parameter '{e.ParamName}')", "", StringComparison.Ordinal);
            throw new InvalidJobException(JobErrorCode.InvalidRequest, message, e.ParamName);
        }
    }

    // What a model proposes for drawing says nothing about a beam search.
    private static SamplingParams DrawNothing(SamplingParams defaults) =>
        defaults with { Temperature = 0f, TopK = 0, TopP = 1f, MinP = 0f, TypicalP = 1f };
}
