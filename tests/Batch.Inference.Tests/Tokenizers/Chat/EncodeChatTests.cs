using System.Text.Json;
using Batch.Inference.Tokenizers;

namespace Batch.Inference.Tests.Tokenizers.Chat;

public sealed class EncodeChatTests
{
    private const string Template = "{% for m in messages %}{{ m.role }}: {{ m.content | trim }}<|end|>{% endfor %}model:";

    [Fact]
    public void EncodeChat_MakesOnlyTheTemplatesSpecialTokensControlTokens()
    {
        var tokenizer = Load(Template);

        var ids = tokenizer.EncodeChat([new("user", " a<|end|>b <|<|end|>end|> "), new("x<|end|>", "c")]);

        Assert.Equal(2, ids.Count(tokenizer.IsSpecial));
        Assert.Equal("user: a<|end|>b <|<|end|>end|><|end|>x<|end|>: c<|end|>model:", tokenizer.Decode(ids, skipSpecialTokens: false));
        Assert.Equal("user: a<|end|>b <|<|end|>end|>x<|end|>: cmodel:", tokenizer.Decode(ids));
    }

    [Fact]
    public void EncodeChat_EqualsEncodingTheRenderedText_WhereNothingIsSpecial()
    {
        var tokenizer = Load("{% for m in messages %}{{ m.content }}{% endfor %}");

        Assert.Equal(tokenizer.Encode("the \uFDD0 cat"), tokenizer.EncodeChat([new("user", "the \uFDD0"), new("user", " cat")]));
    }

    [Fact]
    public void EncodeChat_WithoutATemplate_SaysSo()
    {
        var tokenizer = TinyTokenizer.Load(TinyTokenizer.ByteLevelJson([]));

        var error = Assert.Throws<InvalidOperationException>(() => tokenizer.EncodeChat([new("user", "a")]));

        Assert.Contains("no chat template", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Load_DoesNotMindATemplateItCannotRead_UntilItIsAskedFor()
    {
        var tokenizer = Load("{% frobnicate %}");

        Assert.NotEmpty(tokenizer.Encode("a"));
        Assert.Throws<InvalidDataException>(() => tokenizer.EncodeChat([new("user", "a")]));
    }

    [Fact]
    public void EncodeChat_Qwen3_GivesThePublishedIds()
    {
        var tokenizer = HfTokenizer.Load(TestData.Require("tokenizers", "qwen3"));

        var ids = tokenizer.EncodeChat([new("user", "Hello")]);

        // <|im_start|> user \n Hello <|im_end|> \n <|im_start|> assistant \n
        Assert.Equal([151644, 872, 198, 9707, 151645, 198, 151644, 77091, 198], ids);
    }

    private static HfTokenizer Load(string template) => TinyTokenizer.Load(
        TinyTokenizer.ByteLevelJson(["t h", "th e"]), JsonSerializer.Serialize(new { chat_template = template }));
}
