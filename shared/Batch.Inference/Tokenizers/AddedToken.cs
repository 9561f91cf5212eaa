namespace Batch.Inference.Tokenizers;

/// <summary>A token found in the text before any splitting: a control token or a fixed word of the vocabulary.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">How it is written.</param>
/// <param name="Special">A control token: recognised in templates, never in a user's text, and left out of decoded text on request.</param>
/// <param name="LeftStrip">Takes the white space before it along.</param>
/// <param name="RightStrip">Takes the white space after it along.</param>
/// <param name="SingleWord">Counts only where no letter, digit or underscore touches it.</param>
/// <param name="Normalized">Looked for in the normalized text, and itself normalized.</param>
internal sealed record AddedToken(
    int Id, string Content, bool Special, bool LeftStrip = false, bool RightStrip = false, bool SingleWord = false, bool Normalized = false)
{
    /// <summary>Reads one object of tokenizer.json's added_tokens or of tokenizer_config.json's added_tokens_decoder.</summary>
    public static AddedToken Read(JsonPart token, int id) => new(
        id,
        token.Get("content").Text(),
        token.Flag("special", false),
        token.Flag("lstrip", false),
        token.Flag("rstrip", false),
        token.Flag("single_word", false),
        token.Flag("normalized", !token.Flag("special", false)));
}
