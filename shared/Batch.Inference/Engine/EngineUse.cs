namespace Batch.Inference.Engine;

/// <summary>How busy an engine is. Read from other threads than the engine's while it goes on, so the numbers may be a step apart.</summary>
/// <param name="Running">Sequences in the batch.</param>
/// <param name="Waiting">Sequences that wait for a place.</param>
/// <param name="Seats">Most sequences in the batch.</param>
/// <param name="CacheTokens">Tokens that the key-value cache holds for sequences.</param>
/// <param name="CacheSize">Tokens that it can hold.</param>
/// <param name="ComputedTokens">Tokens that were computed, of prompts and texts, since the start.</param>
/// <param name="SampledTokens">Tokens that were drawn, since the start.</param>
/// <param name="Preemptions">Sequences that lost their cache blocks and started over, since the start.</param>
public readonly record struct EngineUse(
    int Running, int Waiting, int Seats, long CacheTokens, long CacheSize, long ComputedTokens, long SampledTokens, long Preemptions)
{
    public static EngineUse operator +(EngineUse left, EngineUse right) => new(
        left.Running + right.Running, left.Waiting + right.Waiting, left.Seats + right.Seats, left.CacheTokens + right.CacheTokens,
        left.CacheSize + right.CacheSize, left.ComputedTokens + right.ComputedTokens, left.SampledTokens + right.SampledTokens, left.Preemptions + right.Preemptions);
}
