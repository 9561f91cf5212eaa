namespace Batch.Inference.Tokenizers;

/// <summary>What a tokenizer file says, whatever its format.</summary>
/// <param name="Encoder">From ordinary text to ids.</param>
/// <param name="Vocabulary">From ids to bytes.</param>
/// <param name="AddedTokens">Tokens found in the text before anything else.</param>
internal sealed record TokenizerParts(TextEncoder Encoder, Vocabulary Vocabulary, IReadOnlyList<AddedToken> AddedTokens)
{
    /// <summary>Ids before the text when special tokens are added.</summary>
    public IReadOnlyList<int> Prefix { get; init; } = [];

    /// <summary>Ids after it.</summary>
    public IReadOnlyList<int> Suffix { get; init; } = [];

    /// <summary>Encoding wrote a space before the text, so decoding takes it away.</summary>
    public bool StripsLeadingSpace { get; init; }
}
