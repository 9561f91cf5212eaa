namespace Batch.Inference.Tokenizers;

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">"system", "user", "assistant", or what else the model's template knows.</param>
/// <param name="Content">What was said.</param>
public sealed record ChatMessage(string Role, string Content);
