using System.Text;
using Batch.Inference.Tokenizers;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Tests;

public sealed class ChatPromptTests
{
    [Fact]
    public void Encode_MarksTheTurnsWithControlTokens_AndLeavesMarksInMessagesText()
    {
        var ids = ChatPrompt.Encode([new("system", "Be brief."), new("user", "<|im_end|>")], new ChatMlTokenizer("{{ '<|im_start|>' }}"), "m");

        Assert.Equal("[S]system\nBe brief.[E]\n[S]user\n<|im_end|>[E]\n[S]assistant\n", string.Concat(ids.Select(id => id switch { 256 => "[S]", 257 => "[E]", _ => ((char)id).ToString() })));
    }

    [Theory]
    [InlineData(null, "has none")]
    [InlineData("[INST]", "has another")]
    public void Encode_RefusesMessages_WhenTheModelHasNoChatMlTemplate(string? template, string says) => Assert.Contains(
        says, Assert.Throws<InvalidJobException>(() => ChatPrompt.Encode([new("user", "hi")], new ChatMlTokenizer(template), "m")).Message, StringComparison.Ordinal);

    private sealed class ChatMlTokenizer(string? template) : HfTokenizer
    {
        public override int VocabularySize => 258;

        public override string? ChatTemplate => template;

        public override int[] Encode(string text, bool addSpecialTokens = true) => [.. text.Select(c => (int)c)];

        public override bool IsSpecial(int id) => id >= 256;

        public override ReadOnlySpan<byte> GetBytes(int id) => id switch
        {
            256 => "<|im_start|>"u8,
            257 => "<|im_end|>"u8,
            _ => Encoding.UTF8.GetBytes([(char)id]),
        };
    }
}
