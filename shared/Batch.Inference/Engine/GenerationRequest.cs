namespace Batch.Inference.Engine;

/// <summary>One text to write: a prompt already encoded, and how to continue it.</summary>
/// <param name="Id">Names the request in logs; seeds the sampling noise when <see cref="SamplingParams.Seed"/> is null.</param>
/// <param name="PromptTokenIds">The prompt, [1 .. context length - 1] ids below the vocabulary size.</param>
/// <param name="Sampling">Validated parameters.</param>
/// <param name="Priority">Waiting requests of a higher priority are admitted first; equals in order of arrival. <see cref="Urgent"/> is for those that somebody waits for.</param>
public sealed record GenerationRequest(string Id, IReadOnlyList<int> PromptTokenIds, SamplingParams Sampling, int Priority = 0)
{
    /// <summary>The priority of requests whose prompts are computed in steps of their own, every other step at most, so that their first token comes as on an idle engine.</summary>
    public const int Urgent = int.MaxValue;

    /// <summary>
    /// Goes on from where another run of the same request was, to the very text of a run without interruption; its updates are told again from the beginning.
    /// A checkpoint that does not fit the request is passed over. A beam search begins anew.
    /// </summary>
    public GenerationCheckpoint? Resume { get; init; }

    /// <summary>It stands in line behind so many that come later: further texts of one prompt give way to other requests.</summary>
    public int Behind { get; init; }

    /// <summary>
    /// Its updates are handed over so many at a time, but for the first and the last: where nobody looks at each token, none of them wakes a thread that takes
    /// time from the engine's.
    /// </summary>
    public int UpdatesAtOnce { get; init; } = 1;

    /// <summary>So many of the last prompt tokens are text already, and count as such.</summary>
    internal int TextTokens { get; init; }

    /// <summary>Above 0 the next token is not chosen: so many of the likeliest are told as logprobs, for a <see cref="BeamSearch"/>.</summary>
    internal int BeamCandidates { get; init; }
}
