using System.Text.RegularExpressions;

namespace Batch.Inference.Tokenizers;

/// <summary>Reads the pre_tokenizer of a tokenizer.json: edits of the text first, then splits.</summary>
internal sealed class PreTokenizerJson
{
    // What ByteLevel and Digits do in Hugging Face's tokenizers; the first is GPT-2's.
    internal const string Gpt2Pattern =
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private readonly List<TextEdit> _edits = [];
    private readonly List<SplitStep> _steps = [];

    private PreTokenizerJson(JsonPart? preTokenizer)
    {
        if (preTokenizer is { } part)
        {
            Add(part);
        }
    }

    public IReadOnlyList<TextEdit> Edits => _edits;

    public PreTokenizer PreTokenizer => new(_steps);

    public bool IsByteLevel { get; private set; }

    public static PreTokenizerJson Read(JsonPart? preTokenizer) => new(preTokenizer);

    private void Add(JsonPart part)
    {
        var type = part.Get("type").Text();
        switch (type)
        {
            case "Sequence":
                foreach (var item in part.Get("pretokenizers").Items())
                {
                    Add(item);
                }
                break;
            case "ByteLevel":
                AddByteLevel(part);
                break;
            case "Metaspace":
                AddMetaspace(part);
                break;
            case "Split":
                AddSplit(part, part.Get("pattern").Pattern());
                break;
            case "Digits":
                var isolated = part.Flag("individual_digits", false);
                _steps.Add(new SplitStep(@"\p{N}", isolated ? SplitBehavior.Isolated : SplitBehavior.Contiguous, invert: false));
                break;
            case "BertPreTokenizer":
                _steps.AddRange(BertText.Split);
                break;
            case "WhitespaceSplit":
                _steps.Add(new SplitStep(@"\s", SplitBehavior.Removed, invert: false));
                break;
            case "Punctuation":
                AddSplit(part, BertText.PunctuationPattern, "Isolated");
                break;
            default:
                throw part.Unsupported("pre_tokenizer", type);
        }
    }

    private void AddByteLevel(JsonPart part)
    {
        IsByteLevel = true;
        if (part.Flag("add_prefix_space", true))
        {
            RequireFirst(part, "ByteLevel with add_prefix_space after a split");
            _edits.Add((text, _) => text[0] == ' ' ? text : " " + text);
        }
        if (part.Flag("use_regex", true))
        {
            _steps.Add(new SplitStep(Gpt2Pattern, SplitBehavior.Isolated, invert: false));
        }
    }

    private void AddMetaspace(JsonPart part)
    {
        RequireFirst(part, "Metaspace after a split");
        var mark = part.Get("replacement").Text();
        var scheme = PrependScheme(part);
        _edits.Add((text, startsText) =>
        {
            var marked = text.Replace(" ", mark, StringComparison.Ordinal);
            var prepend = scheme == "always" || (scheme == "first" && startsText);
            return prepend && !marked.StartsWith(mark, StringComparison.Ordinal) ? mark + marked : marked;
        });
        if (part.Flag("split", true))
        {
            _steps.Add(new SplitStep(Regex.Escape(mark), SplitBehavior.MergedWithNext, invert: false));
        }
    }

    private void AddSplit(JsonPart part, string pattern, string? otherwise = null)
    {
        var behavior = part.Find("behavior");
        if (!Enum.TryParse<SplitBehavior>(behavior?.Text() ?? otherwise, out var parsed))
        {
            throw (behavior ?? part).Wrong($"the behavior {string.Join(", ", Enum.GetNames<SplitBehavior>())}");
        }
        _steps.Add(new SplitStep(pattern, parsed, part.Flag("invert", false)));
    }

    /// <summary>"always", "first" or "never", which older files say with add_prefix_space.</summary>
    internal static string PrependScheme(JsonPart metaspace) =>
        metaspace.Find("prepend_scheme")?.Text() ?? (metaspace.Flag("add_prefix_space", true) ? "always" : "never");

    private void RequireFirst(JsonPart part, string what)
    {
        if (_steps.Count > 0)
        {
            throw part.Unsupported("pre_tokenizer", what);
        }
    }
}
