namespace Batch.Inference.Engine;

/// <summary>A text with blanks, as token ids.</summary>
/// <param name="TokenIds">Those of the text, its blanks and the marks around it.</param>
/// <param name="Blanks">Places of the blanks, in order.</param>
public sealed record MaskedText(IReadOnlyList<int> TokenIds, IReadOnlyList<int> Blanks);

/// <summary>What may stand in a blank.</summary>
/// <param name="Token">The token as the vocabulary writes it.</param>
/// <param name="TokenId">Its id.</param>
/// <param name="Score">Its probability among all tokens.</param>
/// <param name="Sequence">The text with this blank filled.</param>
public sealed record MaskCandidate(string Token, int TokenId, float Score, string Sequence);
