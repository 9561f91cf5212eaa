using System.CommandLine;
using System.Text.Json;
using Batch.Inference.Tokenizers;

namespace Batch.Cli.Commands;

/// <summary>JSON strings by line on standard input, JSON arrays of ids by line on standard output.</summary>
internal static class TokenizeCommand
{
    public static Command Create()
    {
        var model = DefaultModel.Option();
        var special = new Option<bool>("--special") { Description = "Add the tokens with which the model's prompts begin or end" };
        var command = new Command("tokenize", "Turn JSON strings, one a line on standard input, into arrays of token ids, one a line") { model, special };
        command.SetAction(async (given, cancellationToken) =>
        {
            var tokenizer = HfTokenizer.Load(given.GetValue(model)!);
            var number = 0;
            while (await Console.In.ReadLineAsync(cancellationToken) is { } line)
            {
                number++;
                if (string.IsNullOrWhiteSpace(line))
                {
                    continue;
                }
                Console.Out.WriteLine(JsonSerializer.Serialize(tokenizer.Encode(Parse(line, number), given.GetValue(special))));
            }
            return ExitCode.Success;
        });
        return command;
    }

    private static string Parse(string line, int number)
    {
        try
        {
            return JsonSerializer.Deserialize<string>(line) ?? throw new JsonException("null is no string");
        }
        catch (JsonException e)
        {
            throw new ArgumentException($"line {number} of standard input must be a JSON string: {e.Message}");
        }
    }
}
