using System.CommandLine;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Receipts;
using Batch.Jobs.Requests;

namespace Batch.Cli.Commands;

/// <summary>Replays a result with its own prompt, parameters and seed, and says whether the same tokens come out.</summary>
internal static class VerifyCommand
{
    public static Command Create()
    {
        var result = new Argument<string>("RESULT") { Description = "A result file (a blob of results/, or what result --json printed), or the id of a job on the server" };
        var model = DefaultModel.Option();
        var device = new Option<string>("--device") { Description = "auto, cpu, cuda or cuda:N", DefaultValueFactory = _ => "auto" };
        var dtype = new Option<string?>("--dtype") { Description = "float32, bfloat16 or float16; by default the receipt's" };
        var threads = new Option<int>("--threads") { Description = "Threads of the CPU kernels; 0 leaves the choice to libtorch" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object with id, equal, difference, notes and tokens" };
        var server = new ServerOption();
        var command = new Command("verify", "Generate a result again from its receipt and compare: 0 equal, 1 different, 2 no such result") { result, model, device, dtype, threads, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var recorded = await ReadAsync(given.GetValue(result)!, () => server.Connect(given), cancellationToken);
            var options = new EngineOptions
            {
                ModelPath = given.GetValue(model)!,
                Device = given.GetValue(device)!,
                DType = given.GetValue(dtype) ?? recorded.Receipt.DType,
                Threads = given.GetValue(threads),
                MaxSequences = 1,
            };
            await using var engine = LlmEngine.Load(options);
            var report = await ReplayAsync(recorded, engine, cancellationToken);
            Print(recorded.Id, report, given.GetValue(json));
            return report.Difference is null ? ExitCode.Success : ExitCode.Failure;
        });
        return command;
    }

    private static async Task<RecordedResult> ReadAsync(string name, Func<BatchClient> connect, CancellationToken cancellationToken)
    {
        if (File.Exists(name))
        {
            return RecordedResult.Parse(name, await File.ReadAllTextAsync(name, cancellationToken));
        }
        if (name.Contains('/') || name.Contains('\\') || Path.HasExtension(name))
        {
            throw new ArgumentException($"{name}: no such file");
        }
        var job = await connect().GetAsync(name, cancellationToken);
        return job.HasEnded
            ? RecordedResult.Parse($"job {name}", job.Json.GetRawText())
            : throw new ArgumentException($"job {name} is {job.Status}; only a result can be replayed");
    }

    private static async Task<ReplayReport> ReplayAsync(RecordedResult recorded, LlmEngine engine, CancellationToken cancellationToken)
    {
        try
        {
            return await ReceiptReplay.RunAsync(recorded, engine, cancellationToken);
        }
        catch (InvalidJobException e)
        {
            return new ReplayReport($"this model does not take the prompt: {e.Message}", [], 0);
        }
    }

    private static void Print(string id, ReplayReport report, bool json)
    {
        if (json)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(new { id, equal = report.Difference is null, difference = report.Difference, notes = report.Notes, tokens = report.Tokens }, Output.Json));
            return;
        }
        Console.Out.WriteLine(report.Difference is { } difference ? $"{id} differs: {difference}" : $"{id} is equal: {report.Tokens} tokens, the same again");
        foreach (var note in report.Notes)
        {
            Console.Out.WriteLine($"note: {note}");
        }
    }
}
