using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs;
using Batch.Jobs.Receipts;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Cli.Commands;

/// <summary>The engine alone: prompt in, text out, nothing else on standard output.</summary>
internal static class GenerateCommand
{
    public static Command Create()
    {
        var model = DefaultModel.Option();
        var prompt = new Option<string?>("--prompt") { Description = "The text to continue; without it, standard input is read" };
        var device = new Option<string>("--device") { Description = "auto, cpu, cuda or cuda:N", DefaultValueFactory = _ => "auto" };
        var dtype = new Option<string>("--dtype") { Description = "auto, float32, bfloat16 or, on cuda, float16", DefaultValueFactory = _ => "auto" };
        var threads = new Option<int>("--threads") { Description = "Threads of the CPU kernels; 0 leaves the choice to libtorch" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object with text, finish reason, usage, seed and receipt; verify replays it" };
        var sampling = new SamplingOptions();
        var command = new Command("generate", "Continue a prompt with the engine alone, without server or storage") { model, prompt, device, dtype, threads, json };
        sampling.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var options = new EngineOptions { ModelPath = given.GetValue(model)!, Device = given.GetValue(device)!, DType = given.GetValue(dtype)!, Threads = given.GetValue(threads), MaxSequences = 1 };
            var text = given.GetValue(prompt) ?? await Console.In.ReadToEndAsync(cancellationToken);
            var parameters = sampling.Read(given, GenerationDefaults.Load(options.ModelPath));
            await using var engine = LlmEngine.Load(options);
            await RunAsync(engine, text, parameters with { Seed = parameters.Seed ?? 0 }, given.GetValue(json), cancellationToken);
            return ExitCode.Success;
        });
        return command;
    }

    private static async Task RunAsync(LlmEngine engine, string prompt, SamplingParams sampling, bool json, CancellationToken cancellationToken)
    {
        var ids = engine.Tokenizer.Encode(prompt);
        var prefix = sampling.Echo ? prompt : "";
        var streams = !json && sampling.N == 1; // several texts at once cannot be read
        if (streams)
        {
            Console.Out.Write(prefix);
        }
        var clock = Stopwatch.StartNew();
        var tokens = new int[sampling.N];
        var generation = new TextGeneration(engine, new GenerationRequest("generate", ids, sampling), prefix);
        var choices = await generation.RunAsync((choice, update) =>
        {
            tokens[choice] = update.CompletionTokens;
            if (streams)
            {
                Console.Out.Write(update.Text);
            }
        }, cancellationToken);
        if (json)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(new
            {
                id = "generate",
                text = choices[0].Text,
                finish_reason = choices[0].FinishReason,
                choices = JsonSerializer.SerializeToNode(choices, JobJson.Options),
                prompt_logprobs = JsonSerializer.SerializeToNode(generation.PromptLogprobs, JobJson.Options),
                usage = new { prompt_tokens = ids.Length, completion_tokens = tokens.Sum(), total_tokens = ids.Length + tokens.Sum() },
                seed = sampling.Seed,
                model = new { name = engine.Model.Name, identity = engine.Model.Identity, dtype = engine.Model.DType, device = engine.Model.Device },
                input = JsonSerializer.SerializeToElement(new JobInput(prompt, null), JobJson.Options),
                receipt = JsonSerializer.SerializeToElement(Receipt.Of(engine.Model, sampling, ids, generation.Completions), JobJson.Options),
                seconds = Math.Round(clock.Elapsed.TotalSeconds, 3),
            }, Output.Json));
        }
        else if (!streams)
        {
            Console.Out.WriteLine(string.Join("\n\n", choices.Select(choice => $"[{choice.Index}] {choice.Text}")));
        }
        else if (!Console.IsOutputRedirected)
        {
            Console.Out.WriteLine(); // for the shell's next prompt
        }
    }
}
