using Batch.Inference.Engine.Interventions;
using Batch.Inference.Engine.StructuredOutput;

namespace Batch.Inference.Engine;

public sealed partial record SamplingParams
{
    private const int LargestPattern = 1024;

    /// <summary>Throws <see cref="ArgumentException"/> that names the first parameter out of range, what it was and what is allowed.</summary>
    public SamplingParams Validate()
    {
        RequireRanges();
        RequireStops();
        RequireTokens();
        RequireRepetitionControls();
        RequireSense();
        StructuredOutputs?.Validate();
        InterventionChecks.Validate(this);
        return this;
    }

    /// <summary>Throws <see cref="ArgumentException"/> for the first token id that a tokenizer of this size does not have.</summary>
    public SamplingParams ValidateTokens(int vocabularySize)
    {
        var range = $"ids below {vocabularySize}, the size of the vocabulary";
        Require(!StopTokenIds.Any(Outside), "stop_token_ids", StopTokenIds.FirstOrDefault(Outside), range);
        Require(AllowedTokenIds is null || !AllowedTokenIds.Any(Outside), "allowed_token_ids", AllowedTokenIds?.FirstOrDefault(Outside) ?? 0, range);
        Require(LogitBias is null || !LogitBias.Keys.Any(Outside), "logit_bias", LogitBias?.Keys.FirstOrDefault(Outside) ?? 0, $"of {range}");
        return this;

        bool Outside(int id) => id < 0 || id >= vocabularySize;
    }

    private void RequireRanges()
    {
        Require(N is >= 1 and <= 128, "n", N, "from 1 to 128");
        Require(MaxTokens is null or >= 1, "max_tokens", MaxTokens ?? 0, "at least 1");
        Require(MinTokens >= 0 && MinTokens <= (MaxTokens ?? int.MaxValue), "min_tokens", MinTokens, MaxTokens is { } most ? $"from 0 to max_tokens ({most})" : "at least 0");
        Require(Temperature is >= 0f and <= 2f, "temperature", Temperature, "from 0 to 2");
        Require(TopK >= -1, "top_k", TopK, "at least 1, or 0 or -1 for all tokens");
        Require(TopP is > 0f and <= 1f, "top_p", TopP, "above 0 and at most 1");
        Require(MinP is >= 0f and <= 1f, "min_p", MinP, "from 0 to 1");
        Require(TypicalP is > 0f and <= 1f, "typical_p", TypicalP, "above 0 and at most 1");
        Require(PresencePenalty is >= -2f and <= 2f, "presence_penalty", PresencePenalty, "from -2 to 2");
        Require(FrequencyPenalty is >= -2f and <= 2f, "frequency_penalty", FrequencyPenalty, "from -2 to 2");
        Require(RepetitionPenalty > 0f && float.IsFinite(RepetitionPenalty), "repetition_penalty", RepetitionPenalty, "a finite number above 0");
        Require(Logprobs is null or (>= 0 and <= 20), "logprobs", Logprobs ?? 0, "from 0 to 20");
        Require(PromptLogprobs is null or (>= 0 and <= 20), "prompt_logprobs", PromptLogprobs ?? 0, "from 0 to 20");
    }

    // Text that may become a stop string is held back and looked through at every token.
    private const int LongestStop = 1000;

    private void RequireStops()
    {
        Require(Stop.Count <= 16, "stop", $"{Stop.Count} strings", "at most 16 strings");
        Require(!Stop.Any(string.IsNullOrEmpty), "stop", "an empty string", "non-empty strings");
        Require(Stop.All(stop => stop.Length <= LongestStop), "stop", $"one of {Stop.MaxBy(stop => stop?.Length)?.Length} characters", $"strings of at most {LongestStop} characters");
        Require(StopTokenIds.Count <= 128, "stop_token_ids", $"{StopTokenIds.Count} ids", "at most 128 ids");
        Require(!StopTokenIds.Any(id => id < 0), "stop_token_ids", StopTokenIds.FirstOrDefault(id => id < 0), "token ids of at least 0");
    }

    private void RequireTokens()
    {
        Require(AllowedTokenIds is not { Count: 0 }, "allowed_token_ids", "an empty list", "at least one token id");
        Require(AllowedTokenIds is null || !AllowedTokenIds.Any(id => id < 0), "allowed_token_ids", AllowedTokenIds?.FirstOrDefault(id => id < 0) ?? 0, "token ids of at least 0");
        foreach (var (id, bias) in LogitBias ?? new Dictionary<int, float>())
        {
            Require(id >= 0, "logit_bias", id, "of token ids of at least 0");
            Require(bias is >= -100f and <= 100f, "logit_bias", FormattableString.Invariant($"{bias} for token {id}"), "from -100 to 100 for each token");
        }
        Require(BadWords.Count <= 1000, "bad_words", $"{BadWords.Count} words", "at most 1000 words");
        Require(!BadWords.Any(string.IsNullOrWhiteSpace), "bad_words", "an empty string", "non-empty words");
    }

    private void RequireRepetitionControls()
    {
        Require(NoRepeatNgramSize >= 0, "no_repeat_ngram_size", NoRepeatNgramSize, "at least 1, or 0 for none");
        Require(DryMultiplier >= 0f && float.IsFinite(DryMultiplier), "dry_multiplier", DryMultiplier, "a finite number of at least 0");
        Require(DryBase >= 1f && float.IsFinite(DryBase), "dry_base", DryBase, "a finite number of at least 1");
        Require(DryAllowedLength >= 1, "dry_allowed_length", DryAllowedLength, "at least 1");
        Require(!DrySequenceBreakers.Any(string.IsNullOrEmpty), "dry_sequence_breakers", "an empty string", "non-empty strings");
        if (RepetitionDetection is { } detection)
        {
            Require(detection.MaxPatternSize is >= 1 and <= LargestPattern, "repetition_detection", $"max_pattern_size {detection.MaxPatternSize}", $"max_pattern_size from 1 to {LargestPattern}");
            Require(detection.MinPatternSize >= 0 && detection.MinPatternSize <= detection.MaxPatternSize, "repetition_detection", $"min_pattern_size {detection.MinPatternSize}", $"min_pattern_size from 0 to max_pattern_size ({detection.MaxPatternSize})");
            Require(detection.MinCount is >= 2 and <= LargestPattern, "repetition_detection", $"min_count {detection.MinCount}", $"min_count from 2 to {LargestPattern}");
        }
    }

    // What one parameter makes of another.
    private void RequireSense()
    {
        Require(NumBeams is >= 1 and <= 16, "num_beams", NumBeams, "from 1 to 16");
        Require(float.IsFinite(LengthPenalty), "length_penalty", LengthPenalty, "a finite number");
        if (NumBeams == 1)
        {
            Require(N == 1 || Temperature > 0f, "n", N, "1 at temperature 0, where every choice is the same text");
            Require(LengthPenalty == 1f, "length_penalty", LengthPenalty, "left out without num_beams above 1");
            Require(EarlyStopping == EarlyStopping.False, "early_stopping", EarlyStopping, "left out without num_beams above 1");
            return;
        }
        Require(N <= NumBeams, "n", N, $"at most num_beams ({NumBeams})");
        Require(Temperature == 0f, "temperature", Temperature, "0 or left out with num_beams above 1, which draws nothing");
        RequireNoBeams(TopK is 0 or -1, "top_k");
        RequireNoBeams(TopP == 1f, "top_p");
        RequireNoBeams(MinP == 0f, "min_p");
        RequireNoBeams(TypicalP == 1f, "typical_p");
        RequireNoBeams(Stop.Count == 0, "stop");
        RequireNoBeams(Logprobs is null, "logprobs");
        RequireNoBeams(PromptLogprobs is null, "prompt_logprobs");
        RequireNoBeams(RepetitionDetection is null, "repetition_detection");
        RequireNoBeams(StructuredOutputs is null, StructuredOutputParams.Parameter);
        RequireNoBeams(Interventions is null, "interventions");
    }

    private static void RequireNoBeams(bool neutral, string name)
    {
        if (!neutral)
        {
            throw new ArgumentException($"{name} must be left out with num_beams above 1: a beam search does not know it", name);
        }
    }

    private static void Require(bool holds, string name, object seen, string wanted)
    {
        if (!holds)
        {
            throw new ArgumentException(FormattableString.Invariant($"{name} must be {wanted}, was {seen}"), name);
        }
    }
}
