using System.Text;

namespace Batch.Inference.Tokenizers.Chat;

/// <summary>
/// A model's chat template: the subset of Jinja that published templates use, with the names and settings that transformers'
/// apply_chat_template gives it, but for strftime_now, so that a conversation renders the same every day: templates that ask whether it is
/// defined fall back to a date of their own, those that call it are refused. Parsed once; any number of threads may render at once.
/// </summary>
internal sealed class ChatTemplate
{
    private readonly JinjaBlock _root;

    private ChatTemplate(JinjaBlock root)
    {
        _root = root;
    }

    /// <exception cref="InvalidDataException">The template is malformed or uses what is not supported; the message names the line.</exception>
    public static ChatTemplate Parse(string source) => new(JinjaParser.Read(source));

    public static string Render(
        string template, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, string? bosToken, string? eosToken) =>
        Parse(template).Render(messages, addGenerationPrompt, bosToken, eosToken);

    /// <param name="messages">The conversation so far.</param>
    /// <param name="addGenerationPrompt">Ends with what makes the model speak next.</param>
    /// <param name="bosToken">The text of BOS, where there is one.</param>
    /// <param name="eosToken">The text of EOS, where there is one.</param>
    /// <exception cref="ArgumentException">The template refuses these messages; the message is the template's.</exception>
    public string Render(IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, string? bosToken, string? eosToken)
    {
        var scope = new JinjaScope();
        scope.Set("messages", messages.Select(ToMap).ToList<object?>());
        scope.Set("add_generation_prompt", addGenerationPrompt);
        scope.Set("bos_token", bosToken ?? "");
        scope.Set("eos_token", eosToken ?? "");
        scope.Set("tools", null);
        scope.Set("documents", null);
        scope.Set("namespace", (JinjaFunction)MakeNamespace);
        scope.Set("range", (JinjaFunction)MakeRange);
        scope.Set("dict", (JinjaFunction)(arguments => new Dictionary<string, object?>(arguments.Named)));
        scope.Set("raise_exception", (JinjaFunction)(arguments => throw new ArgumentException(
            $"The chat template refuses these messages: {JinjaValues.ToText(arguments.Get(0, "message"))}", nameof(messages))));
        var output = new StringBuilder();
        _root.Run(scope, output);
        return output.ToString();
    }

    private static object ToMap(ChatMessage message) =>
        new Dictionary<string, object?> { ["role"] = message.Role, ["content"] = message.Content };

    private static JinjaNamespace MakeNamespace(JinjaArguments arguments)
    {
        var space = new JinjaNamespace();
        foreach (var (name, value) in arguments.Named)
        {
            space.Values[name] = value;
        }
        return space;
    }

    /// <summary>range(stop) or range(start, stop[, step]), of at most 100,000 numbers.</summary>
    private static List<object?> MakeRange(JinjaArguments arguments)
    {
        var line = arguments.Line;
        var bounds = arguments.Positional.Select(bound => bound as long? ?? throw JinjaError.At(line, "range wants integers")).ToArray();
        var (start, stop, step) = bounds switch
        {
            [var end] => (0L, end, 1L),
            [var from, var end] => (from, end, 1L),
            [var from, var end, not 0 and var by] => (from, end, by),
            _ => throw JinjaError.At(line, "range wants one to three integers, the third not 0"),
        };
        var numbers = new List<object?>();
        for (var i = start; step > 0 ? i < stop : i > stop; i += step)
        {
            numbers.Add(numbers.Count < 100_000 ? i : throw JinjaError.At(line, "range of more than 100,000 numbers"));
        }
        return numbers;
    }
}
