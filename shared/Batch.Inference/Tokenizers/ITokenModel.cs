namespace Batch.Inference.Tokenizers;

/// <summary>Turns one piece of text into token ids. Called by many threads at once.</summary>
internal interface ITokenModel
{
    void Encode(ReadOnlySpan<char> piece, List<int> ids);
}
