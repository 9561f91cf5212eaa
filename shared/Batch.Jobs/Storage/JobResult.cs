using Batch.Inference.Engine;
using Batch.Inference.Engine.Interventions;
using Batch.Inference.Tokenizers;
using Batch.Jobs.Receipts;

namespace Batch.Jobs.Storage;

/// <summary>
/// What <c>results/{id}.json</c> holds. Written once: the first one stands, and every later run of the job takes it as its own. The finish
/// reason is stop, length, repetition, cancelled or expired; the model's identity says which weights wrote the text; the parameters are those in
/// effect, defaults and seed included, and with the prompt they fix the text. Text and finish reason are the first choice's; usage counts
/// all.
/// </summary>
public sealed record JobResult(
    string Id,
    JobState Status,
    string Text,
    string FinishReason,
    Usage Usage,
    string Model,
    string ModelIdentity,
    SamplingParams Parameters,
    Timings Timings,
    IReadOnlyDictionary<string, string>? Metadata,
    DateTimeOffset CreatedAt,
    DateTimeOffset FinishedAt)
{
    /// <summary>The prompt or messages as they were read; with <see cref="Receipt"/> all that a replay needs.</summary>
    public JobInput? Input { get; init; }

    /// <summary>What the text came from, and hashes of what came out.</summary>
    public Receipt? Receipt { get; init; }

    /// <summary>What the rules did to the first text, in order; absent without rules.</summary>
    public IReadOnlyList<InterventionRecord>? Interventions => Choices.Count > 0 ? Choices[0].Interventions : null;

    /// <summary>The n texts.</summary>
    public IReadOnlyList<JobChoice> Choices { get; init; } = [];

    /// <summary>Of a job of kind fill-mask: for each blank what may stand there, best first.</summary>
    public IReadOnlyList<IReadOnlyList<MaskCandidate>>? Candidates { get; init; }

    /// <summary>Of every prompt token but the first, where prompt_logprobs, or echo with logprobs, asks for them.</summary>
    public IReadOnlyList<TokenScore>? PromptLogprobs { get; init; }

    /// <summary>The finish reason of a job that was stopped in <paramref name="state"/>.</summary>
    public static string ReasonOf(JobState state) => state == JobState.Expired ? "expired" : "cancelled";
}

/// <summary>What was to be continued: one of them is set.</summary>
/// <param name="Prompt">A text.</param>
/// <param name="Messages">A conversation.</param>
/// <param name="PromptTokenIds">Tokens.</param>
public sealed record JobInput(string? Prompt, IReadOnlyList<ChatMessage>? Messages, IReadOnlyList<int>? PromptTokenIds = null);

/// <summary>Tokens, as OpenAI counts them.</summary>
/// <param name="PromptTokens">Of the prompt.</param>
/// <param name="CompletionTokens">Of all texts.</param>
public sealed record Usage(int PromptTokens, int CompletionTokens)
{
    /// <summary>Both.</summary>
    public int TotalTokens => PromptTokens + CompletionTokens;

    /// <summary>Null where that is not kept, as in a job's row.</summary>
    public PromptTokensDetails? PromptTokensDetails { get; init; }
}

/// <summary>Of the prompt's tokens, those that were not computed for this job, since an earlier prompt began alike.</summary>
/// <param name="CachedTokens">Those not computed again.</param>
public sealed record PromptTokensDetails(int CachedTokens);

/// <summary>Where the time went. The first token's is null when there was none.</summary>
public sealed record Timings(double QueuedSeconds, double? FirstTokenSeconds, double GenerationSeconds);

/// <summary>How far a text is while it is written.</summary>
public sealed record JobProgress(string Text, int CompletionTokens);
