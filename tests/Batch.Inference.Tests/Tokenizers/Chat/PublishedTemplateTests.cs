using System.Text.Json;
using Batch.Inference.Tokenizers;
using Batch.Inference.Tokenizers.Chat;

namespace Batch.Inference.Tests.Tokenizers.Chat;

/// <summary>
/// Published chat templates on conversations made to be difficult, with what another interpreter makes of them; tests/oracles/chats.mjs
/// and chats.py write the files.
/// </summary>
public sealed class PublishedTemplateTests
{
    [Fact]
    public void Render_GivesWhatTheOtherInterpreterGives_ForPublishedTemplates()
    {
        var problems = new List<string>();
        foreach (var file in Directory.GetFiles(TestData.Require("chats"), "*.json").Order())
        {
            Compare(file, problems);
        }
        Assert.True(problems.Count == 0, string.Join('\n', problems));
    }

    private static void Compare(string file, List<string> problems)
    {
        using var json = JsonDocument.Parse(File.ReadAllBytes(file));
        var template = ChatTemplate.Parse(json.RootElement.GetProperty("template").GetString()!);
        var (bos, eos) = (json.RootElement.GetProperty("bos").GetString(), json.RootElement.GetProperty("eos").GetString());
        foreach (var one in json.RootElement.GetProperty("cases").EnumerateArray())
        {
            var messages = one.GetProperty("messages").EnumerateArray()
                .Select(message => new ChatMessage(message.GetProperty("role").GetString()!, message.GetProperty("content").GetString()!)).ToList();
            var wanted = one.TryGetProperty("text", out var text) ? text.GetString() : null;
            var (seen, error) = Render(template, messages, one.GetProperty("add_generation_prompt").GetBoolean(), bos, eos);
            if (seen != wanted)
            {
                var reason = one.TryGetProperty("error", out var refusal) ? $"refusal: {refusal}" : JsonSerializer.Serialize(wanted);
                problems.Add($"{Path.GetFileName(file)}: {one.GetProperty("messages")}: wanted {reason}, saw {error ?? JsonSerializer.Serialize(seen)}");
            }
        }
    }

    private static (string? Text, string? Error) Render(ChatTemplate template, List<ChatMessage> messages, bool prompt, string? bos, string? eos)
    {
        try
        {
            return (template.Render(messages, prompt, bos, eos), null);
        }
        catch (Exception e) when (e is ArgumentException or InvalidDataException)
        {
            return (null, e.Message);
        }
    }
}
