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
        var clock = Stopwatch.StartNew();
        var text = "";
        GenerationUpdate? last = null;
        await foreach (var update in engine.GenerateAsync(new GenerationRequest("generate", ids, sampling), cancellationToken))
        {
            (last, text) = (update, text + update.Text);
            if (!json)
            {
                Console.Out.Write(update.Text);
            }
        }
        if (json)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(new
            {
                id = "generate",
                text,
                finish_reason = last!.FinishReason.ToString()!.ToLowerInvariant(),
                usage = new { prompt_tokens = ids.Length, completion_tokens = last.CompletionTokens, total_tokens = ids.Length + last.CompletionTokens },
                seed = sampling.Seed,
                model = new { name = engine.Model.Name, identity = engine.Model.Identity, dtype = engine.Model.DType, device = engine.Model.Device },
                input = JsonSerializer.SerializeToElement(new JobInput(prompt, null), JobJson.Options),
                receipt = JsonSerializer.SerializeToElement(Receipt.Of(engine.Model, sampling, ids, [CompletionReceipt.Of(sampling.Seed!.Value, last.TokenIds!)]), JobJson.Options),
                seconds = Math.Round(clock.Elapsed.TotalSeconds, 3),
            }, Output.Json));
        }
        else if (!Console.IsOutputRedirected)
        {
            Console.Out.WriteLine(); // for the shell's next prompt
        }
    }
}
