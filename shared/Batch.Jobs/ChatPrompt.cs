using System.Text;
using Batch.Inference.Tokenizers;
using Batch.Jobs.Requests;

namespace Batch.Jobs;

/// <summary>
/// A conversation as the one prompt that the model continues. Knows ChatML, the format of Qwen's and many other chat templates. Only the
/// turns' marks become control tokens: a mark inside a message stays text, so no message can speak for another role.
/// </summary>
internal static class ChatPrompt
{
    private const string TurnStart = "<|im_start|>";
    private const string TurnEnd = "<|im_end|>";

    public static int[] Encode(IReadOnlyList<ChatMessage> messages, HfTokenizer tokenizer, string model)
    {
        var isChatMl = tokenizer.ChatTemplate?.Contains(TurnStart, StringComparison.Ordinal);
        if (isChatMl is not true || Find(tokenizer, TurnStart) is not { } start || Find(tokenizer, TurnEnd) is not { } end)
        {
            var seen = isChatMl is null ? "none" : "another";
            throw new InvalidJobException(
                JobErrorCode.UnsupportedParameter, $"messages needs a model with a ChatML template, '{model}' has {seen}; send prompt",
                "messages");
        }

        var ids = new List<int>();
        foreach (var (role, content) in messages)
        {
            ids.Add(start);
            ids.AddRange(tokenizer.Encode($"{role}\n{content}", addSpecialTokens: false));
            ids.Add(end);
            ids.AddRange(tokenizer.Encode("\n", addSpecialTokens: false));
        }

        ids.Add(start);
        ids.AddRange(tokenizer.Encode("assistant\n", addSpecialTokens: false));
        return [.. ids];
    }

    private static int? Find(HfTokenizer tokenizer, string token)
    {
        var bytes = Encoding.UTF8.GetBytes(token);
        for (var id = tokenizer.VocabularySize - 1; id >= 0; id--)
        {
            if (tokenizer.IsSpecial(id) && tokenizer.GetBytes(id).SequenceEqual(bytes))
            {
                return id;
            }
        }

        return null;
    }
}
