namespace Batch.Inference.Tokenizers;

/// <summary>Reads the post_processor of a tokenizer.json: the ids around a single text.</summary>
internal static class PostProcessorJson
{
    public static (IReadOnlyList<int> Prefix, IReadOnlyList<int> Suffix) Read(JsonPart? postProcessor)
    {
        var prefix = new List<int>();
        var suffix = new List<int>();
        if (postProcessor is { } part)
        {
            Add(part, prefix, suffix);
        }
        return (prefix, suffix);
    }

    private static void Add(JsonPart part, List<int> prefix, List<int> suffix)
    {
        var type = part.Get("type").Text();
        switch (type)
        {
            case "Sequence":
                foreach (var item in part.Get("processors").Items())
                {
                    Add(item, prefix, suffix);
                }
                break;
            case "ByteLevel": // moves offsets only
                break;
            case "TemplateProcessing":
                AddTemplate(part, prefix, suffix);
                break;
            case "BertProcessing" or "RobertaProcessing":
                prefix.Add(TokenId(part.Get("cls")));
                suffix.Add(TokenId(part.Get("sep")));
                break;
            default:
                throw part.Unsupported("post_processor", type);
        }
    }

    /// <summary>The id in ["[CLS]", 101].</summary>
    private static int TokenId(JsonPart token) =>
        token.Items().ToArray() is [_, var id] ? id.Id() : throw token.Wrong("a token and its id");

    private static void AddTemplate(JsonPart part, List<int> prefix, List<int> suffix)
    {
        var known = part.Find("special_tokens");
        var around = prefix;
        foreach (var item in part.Get("single").Items())
        {
            if (item.Find("SpecialToken") is { } token)
            {
                var name = token.Get("id").Text();
                var ids = (known?.Find(name) ?? throw token.Wrong("a token of special_tokens")).Get("ids");
                around.AddRange(ids.Items().Select(id => id.Id()));
            }
            else
            {
                around = suffix;
            }
        }
    }
}
