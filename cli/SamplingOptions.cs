using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Batch.Inference.Engine;
using Batch.Jobs.Requests;

namespace Batch.Cli;

/// <summary>The sampling parameters as options of a command. Only what was given is passed on; the defaults are the model's or the server's.</summary>
internal sealed class SamplingOptions
{
    private readonly Option<int?> _maxTokens = new("--max-tokens") { Description = "Most tokens to generate (256)" };
    private readonly Option<int?> _minTokens = new("--min-tokens") { Description = "Do not end before so many tokens" };
    private readonly Option<int?> _n = new("--n") { Description = "Choices to write, 1 to 128" };
    private readonly Option<float?> _temperature = new("--temperature") { Description = "0 always takes the most likely token; up to 2" };
    private readonly Option<int?> _topK = new("--top-k") { Description = "Draw from the k most likely tokens; 0 from all" };
    private readonly Option<float?> _topP = new("--top-p") { Description = "Draw from the most likely tokens that together reach p" };
    private readonly Option<float?> _minP = new("--min-p") { Description = "Drop tokens below this share of the most likely one's probability" };
    private readonly Option<float?> _repetitionPenalty = new("--repetition-penalty") { Description = "Above 1 makes used tokens less likely" };
    private readonly Option<ulong?> _seed = new("--seed") { Description = "The same seed gives the same text" };
    private readonly Option<string[]> _stop = new("--stop") { Description = "End before this text; may be repeated" };
    private readonly Option<string[]> _param = new("--param") { Description = "Any other parameter of a job as NAME=JSON, such as presence_penalty=0.5; may be repeated" };

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _maxTokens, _minTokens, _n, _temperature, _topK, _topP, _minP, _repetitionPenalty, _seed, _stop, _param })
        {
            command.Options.Add(option);
        }
    }

    /// <summary>The defaults overlaid with what was given, validated.</summary>
    /// <exception cref="ArgumentException">A parameter is unknown or out of range.</exception>
    public SamplingParams Read(ParseResult given, SamplingParams defaults)
    {
        var job = new JsonObject { ["prompt"] = "any" };
        Write(given, job);
        try
        {
            return JobRequestParser.Parse(JsonSerializer.SerializeToElement(job)).Parameters.Over(defaults);
        }
        catch (InvalidJobException e)
        {
            throw new ArgumentException(e.Message);
        }
    }

    /// <summary>What was given, by the names of the HTTP API.</summary>
    public void Write(ParseResult given, JsonObject job)
    {
        Set("max_tokens", given.GetValue(_maxTokens));
        Set("min_tokens", given.GetValue(_minTokens));
        Set("n", given.GetValue(_n));
        Set("temperature", given.GetValue(_temperature));
        Set("top_k", given.GetValue(_topK));
        Set("top_p", given.GetValue(_topP));
        Set("min_p", given.GetValue(_minP));
        Set("repetition_penalty", given.GetValue(_repetitionPenalty));
        Set("seed", given.GetValue(_seed));
        if (given.GetValue(_stop) is { Length: > 0 } stop)
        {
            job["stop"] = new JsonArray([.. stop.Select(s => JsonValue.Create(s))]);
        }
        foreach (var parameter in given.GetValue(_param) ?? [])
        {
            var (name, value) = ReadParameter(parameter);
            job[name] = value;
        }

        void Set<T>(string name, T? value)
            where T : struct
        {
            if (value is { } given)
            {
                job[name] = JsonValue.Create(given);
            }
        }
    }

    private static (string Name, JsonNode? Value) ReadParameter(string given)
    {
        var equals = given.IndexOf('=', StringComparison.Ordinal);
        try
        {
            return equals > 0 ? (given[..equals], JsonNode.Parse(given[(equals + 1)..])) : throw new JsonException("there is no '=' in it");
        }
        catch (JsonException e)
        {
            throw new ArgumentException($"--param must be NAME=JSON, such as logit_bias={{\"50256\":-100}}, was '{given}': {e.Message}");
        }
    }
}
