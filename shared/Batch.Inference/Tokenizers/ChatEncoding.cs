using System.Text;

namespace Batch.Inference.Tokenizers;

/// <summary>Renders conversations so that special tokens written in a message can be told from the template's own.</summary>
internal sealed class ChatEncoding(string source, string? bosToken, string? eosToken, IReadOnlyList<AddedToken> addedTokens)
{
    // Parsed at first use, so that a template nobody asks for cannot keep a model from loading.
    private readonly Lazy<Chat.ChatTemplate> _template = new(() => Chat.ChatTemplate.Parse(source));
    private readonly string[] _special =
        [.. addedTokens.Where(token => token.Special && token.Content.Length > 1).Select(token => token.Content)];

    /// <summary>
    /// The conversation as the template writes it, with a guard character inside each special token that a message contains. The guard is a
    /// noncharacter of Unicode that occurs nowhere in the messages or the template, so taking it out again restores the text.
    /// </summary>
    public (string Text, string Guard) Render(IReadOnlyList<ChatMessage> messages)
    {
        var guard = Enumerable.Range(0xFDD0, 32).Select(code => (char)code).FirstOrDefault(
            c => !source.Contains(c) && messages.All(message => !message.Content.Contains(c) && !message.Role.Contains(c)));
        if (guard == '\0')
        {
            throw new ArgumentException("The messages use each of the noncharacters U+FDD0 to U+FDEF; one must be free.", nameof(messages));
        }
        var guarded = messages.Select(message => new ChatMessage(Guard(message.Role, guard), Guard(message.Content, guard))).ToList();
        return (_template.Value.Render(guarded, addGenerationPrompt: true, bosToken, eosToken), guard.ToString());
    }

    /// <summary>Puts the guard behind the first character of every special token, overlapping ones too.</summary>
    private string Guard(string text, char guard)
    {
        if (!Array.Exists(_special, token => text.Contains(token, StringComparison.Ordinal)))
        {
            return text;
        }
        var guarded = new StringBuilder(text.Length + 8);
        for (var i = 0; i < text.Length; i++)
        {
            guarded.Append(text[i]);
            if (Array.Exists(_special, token => text.AsSpan(i).StartsWith(token, StringComparison.Ordinal)))
            {
                guarded.Append(guard);
            }
        }
        return guarded.ToString();
    }
}
