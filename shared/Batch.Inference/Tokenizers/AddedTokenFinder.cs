namespace Batch.Inference.Tokenizers;

/// <summary>
/// Finds added tokens in two rounds: those written as they are in the text itself, the normalized ones in what the normalizer makes of the
/// stretches between.
/// </summary>
internal sealed class AddedTokenFinder
{
    /// <param name="tokens">The tokens to find.</param>
    /// <param name="encoder">Its normalizer rewrites the normalized ones.</param>
    public AddedTokenFinder(IReadOnlyCollection<AddedToken> tokens, TextEncoder encoder)
    {
        InText = new AddedTokenSplitter(tokens.Where(token => !token.Normalized));
        InNormalized = new AddedTokenSplitter(tokens.Where(token => token.Normalized && token.Content.Length > 0)
            .Select(token => token with { Content = encoder.Normalize(token.Content, startsText: true) }));
    }

    /// <summary>Cuts the text as it was given.</summary>
    public AddedTokenSplitter InText { get; }

    /// <summary>Cuts normalized text.</summary>
    public AddedTokenSplitter InNormalized { get; }
}
