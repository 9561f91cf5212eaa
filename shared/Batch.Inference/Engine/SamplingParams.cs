using Batch.Inference.Engine.Interventions;
using Batch.Inference.Engine.StructuredOutput;

namespace Batch.Inference.Engine;

/// <summary>
/// How the next token is chosen and when a text ends. Names, meanings and ranges are vLLM's (vllm/sampling_params.py) where vLLM has the parameter, else
/// those of the source that is named; defaults change nothing, but for <see cref="MaxTokens"/>, which is 256. Call <see cref="Validate"/> once at the edge;
/// the engine trusts what it gets.
/// </summary>
public sealed partial record SamplingParams
{
    private static readonly IReadOnlyList<string> DefaultBreakers = ["\n", ":", "\"", "*"];

    /// <summary>Choices to write for the prompt, 1 to 128. The engine writes one text a request: whoever calls it asks once for each, choice i with seed + i.</summary>
    public int N { get; init; } = 1;

    /// <summary>Most tokens to generate, at least 1; null goes on to the context's end.</summary>
    public int? MaxTokens { get; init; } = 256;

    /// <summary>
    /// So many tokens come before any that ends the text: end-of-text and stop tokens are not drawn before, and a stop string counts only when a later
    /// token completes it. At most <see cref="MaxTokens"/>.
    /// </summary>
    public int MinTokens { get; init; }

    /// <summary>Divides the logits, 0 to 2. At 0 the most likely token is taken (greedy).</summary>
    public float Temperature { get; init; } = 1f;

    /// <summary>Keep the k most likely tokens, of equals the lower ids; 0 or -1 keeps all.</summary>
    public int TopK { get; init; }

    /// <summary>Keep the smallest set of most likely tokens whose probability reaches p, in (0, 1] (Holtzman et al. 2019).</summary>
    public float TopP { get; init; } = 1f;

    /// <summary>Drop tokens less likely than this share of the most likely one, in [0, 1] (Nguyen et al. 2024).</summary>
    public float MinP { get; init; }

    /// <summary>
    /// Keep the smallest set of tokens whose surprise is closest to the entropy and whose probability reaches this, in (0, 1] (Meister et al. 2022; as in
    /// transformers' TypicalLogitsWarper, after top_k and top_p).
    /// </summary>
    public float TypicalP { get; init; } = 1f;

    /// <summary>Taken from the logits of tokens that the text holds already, once each; -2 to 2.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Taken from the logits of tokens that the text holds already, once for each time; -2 to 2.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>Divides positive and multiplies negative logits of tokens already in prompt or text, above 0 (Keskar et al. 2019).</summary>
    public float RepetitionPenalty { get; init; } = 1f;

    /// <summary>Fixes the noise of every position: the same seed, prompt and parameters give the same text. Null lets the engine draw one from the request id.</summary>
    public ulong? Seed { get; init; }

    /// <summary>
    /// The text ends before the one of these that is completed first (of two completed by one character, before the longer); none of their characters
    /// reaches the caller. At most 16, none empty.
    /// </summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Tokens that end the text as end-of-text does, even with <see cref="IgnoreEos"/>.</summary>
    public IReadOnlyList<int> StopTokenIds { get; init; } = [];

    /// <summary>The text keeps the stop string or stop token that ended it.</summary>
    public bool IncludeStopStrInOutput { get; init; }

    /// <summary>Goes on past the model's end-of-text token.</summary>
    public bool IgnoreEos { get; init; }

    /// <summary>False shows special tokens in the text as they are written.</summary>
    public bool SkipSpecialTokens { get; init; } = true;

    /// <summary>What the text must be; null leaves it free.</summary>
    public StructuredOutputParams? StructuredOutputs { get; init; }

    /// <summary>The text begins with the prompt. With <see cref="Logprobs"/> the prompt's tokens are scored, too.</summary>
    public bool Echo { get; init; }

    /// <summary>
    /// How many of the most likely tokens to tell with their log probabilities, beside the drawn one, for each token of the text; 0 to 20. They are those of
    /// the model's own distribution, before penalties, temperature and truncation (vLLM's logprobs_mode raw_logprobs).
    /// </summary>
    public int? Logprobs { get; init; }

    /// <summary>The same for each token of the prompt but the first; 0 to 20.</summary>
    public int? PromptLogprobs { get; init; }

    /// <summary>How many tokens to list for each token of the prompt; null where its tokens are not scored.</summary>
    internal int? PromptTop => PromptLogprobs ?? (Echo ? Logprobs : null);

    /// <summary>Added to the logits of these tokens, -100 to 100.</summary>
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>Only these tokens may be drawn.</summary>
    public IReadOnlyList<int>? AllowedTokenIds { get; init; }

    /// <summary>Words that are not written: the last token of one, with or without a space before it, is not drawn after the others of it.</summary>
    public IReadOnlyList<string> BadWords { get; init; } = [];

    /// <summary>No n-gram of this size comes twice in prompt and text; 0 allows it (transformers' NoRepeatNGramLogitsProcessor).</summary>
    public int NoRepeatNgramSize { get; init; }

    /// <summary>
    /// Above 0 a token that would lengthen a repetition of n tokens, at least <see cref="DryAllowedLength"/>, loses multiplier · base ^ (n - allowed length)
    /// (DRY by p-e-w, text-generation-webui pull request 5677, as in llama.cpp's sampler).
    /// </summary>
    public float DryMultiplier { get; init; }

    /// <summary>At least 1.</summary>
    public float DryBase { get; init; } = 1.75f;

    /// <summary>At least 1.</summary>
    public int DryAllowedLength { get; init; } = 2;

    /// <summary>No repetition reaches over a token whose text holds one of these.</summary>
    public IReadOnlyList<string> DrySequenceBreakers { get; init; } = DefaultBreakers;

    /// <summary>Ends a text that has begun to repeat itself.</summary>
    public RepetitionDetectionParams? RepetitionDetection { get; init; }

    /// <summary>Rules that change the text in the making; at most 32.</summary>
    public IReadOnlyList<Intervention>? Interventions { get; init; }

    /// <summary>Above 1 the likeliest texts are searched for in a beam of so many, 2 to 16, instead of drawn (transformers' num_beams).</summary>
    public int NumBeams { get; init; } = 1;

    /// <summary>A beam's score is its log probability over its length to this power (transformers' length_penalty).</summary>
    public float LengthPenalty { get; init; } = 1f;

    /// <summary>When the search ends (transformers' early_stopping).</summary>
    public EarlyStopping EarlyStopping { get; init; }
}

/// <summary>
/// When a text repeats itself (vLLM's repetition_detection): its last tokens are <paramref name="MinCount"/> times the same pattern of
/// <paramref name="MinPatternSize"/> to <paramref name="MaxPatternSize"/> tokens.
/// </summary>
/// <param name="MaxPatternSize">1 to 1,024.</param>
/// <param name="MinPatternSize">0, which means 1, to the largest.</param>
/// <param name="MinCount">At least 2.</param>
public sealed record RepetitionDetectionParams(int MaxPatternSize, int MinPatternSize, int MinCount);

/// <summary>When a beam search that has found num_beams texts ends.</summary>
public enum EarlyStopping
{
    /// <summary>When no beam, at its length of now, scores better than the worst of them.</summary>
    False,

    /// <summary>At once.</summary>
    True,

    /// <summary>When no beam can become better than the worst of them at any length.</summary>
    Never,
}
