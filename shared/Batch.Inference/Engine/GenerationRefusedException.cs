namespace Batch.Inference.Engine;

/// <summary>What the request asks for cannot be done, whoever tries again: its own parameters leave nothing to write.</summary>
public sealed class GenerationRefusedException(string message) : ArgumentException(message);
