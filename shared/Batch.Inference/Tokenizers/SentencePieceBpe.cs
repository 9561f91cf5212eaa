using System.Text;
using System.Text.RegularExpressions;

namespace Batch.Inference.Tokenizers;

/// <summary>Builds the tokenizer of a sentencepiece BPE model (Kudo and Richardson 2018; Llama 2, Mistral).</summary>
internal static partial class SentencePieceBpe
{
    private const string Space = "\u2581"; // how sentencepiece writes a space

    public static TokenizerParts Read(string file, SpecialTokenFacts facts)
    {
        var model = SentencePieceFile.Read(file);
        RequireSupported(model, file);
        var (vocabulary, tokens, fixedWords) = SortPieces(model);
        var added = facts.Complete(ControlTokens(model), vocabulary);
        var scores = model.Pieces.ConvertAll(piece => piece.Score);
        var byteIds = model.ByteFallback ? SymbolTable.FindByteIds(vocabulary) : null;
        int? unknown = model.Pieces.FindIndex(piece => piece.Type == PieceType.Unknown) is >= 0 and var id ? id : null;
        var symbols = new SymbolTable(tokens, fixedWords, byteIds, unknown, fuseUnknown: true);
        return new TokenizerParts(
            new TextEncoder(Edits(model), [], new PreTokenizer([]), new RankedMerges(symbols, new ScoredMerges(tokens, scores))),
            new Vocabulary(vocabulary, added, BytesOf, BytesOf),
            added)
        {
            // Llama's own default is a BOS before the text and no EOS after it.
            Prefix = (facts.AddBos ?? true) && Exists(model, model.BosId) ? [model.BosId] : [],
            Suffix = (facts.AddEos ?? false) && Exists(model, model.EosId) ? [model.EosId] : [],
            StripsLeadingSpace = model.AddDummyPrefix,
        };

        static byte[] BytesOf(string token) => SymbolTable.TryReadByte(token, out var value)
            ? [value]
            : Encoding.UTF8.GetBytes(token.Replace(Space, " ", StringComparison.Ordinal));
    }

    private static void RequireSupported(SentencePieceFile model, string file)
    {
        var problem = model switch
        {
            { IsBpe: false } => $"model type {model.ModelType} (1 unigram, 3 word, 4 char)",
            { CharacterMap: { } map } => $"normalization '{map}'",
            { SuffixWhitespace: true } => "treat_whitespace_as_suffix",
            { EscapeWhitespaces: false } => "escape_whitespaces false",
            _ => null,
        };
        if (problem is not null)
        {
            throw new InvalidDataException($"{file}: {problem} is not supported, wanted BPE with identity normalization");
        }
    }

    /// <summary>All pieces; those that text can become; those of them that are matched before any merge.</summary>
    private static (Dictionary<string, int> All, Dictionary<string, int> Text, HashSet<string> FixedWords) SortPieces(
        SentencePieceFile model)
    {
        var (all, text, fixedWords) = (new Dictionary<string, int>(), new Dictionary<string, int>(), new HashSet<string>());
        for (var id = 0; id < model.Pieces.Count; id++)
        {
            var (piece, _, type) = model.Pieces[id];
            all.TryAdd(piece, id);
            if (type is PieceType.Normal or PieceType.UserDefined)
            {
                text.TryAdd(piece, id);
            }
            if (type is PieceType.UserDefined)
            {
                fixedWords.Add(piece);
            }
        }
        return (all, text, fixedWords);
    }

    private static IEnumerable<AddedToken> ControlTokens(SentencePieceFile model) => model.Pieces
        .Select((piece, id) => (piece, id))
        .Where(p => p.piece.Type is PieceType.Control or PieceType.Unknown)
        .Select(p => new AddedToken(p.id, p.piece.Text, Special: true));

    private static List<TextEdit> Edits(SentencePieceFile model)
    {
        var edits = new List<TextEdit>();
        if (model.RemoveExtraWhitespaces)
        {
            edits.Add((text, _) => ExtraSpaces().Replace(text, " ").Trim(' '));
        }
        if (model.AddDummyPrefix)
        {
            edits.Add(TextEdits.Prepend(" "));
        }
        edits.Add((text, _) => text.Replace(" ", Space, StringComparison.Ordinal));
        return edits;
    }

    private static bool Exists(SentencePieceFile model, int id) => id >= 0 && id < model.Pieces.Count;

    [GeneratedRegex(" {2,}")]
    private static partial Regex ExtraSpaces();
}
