using System.CommandLine;
using System.Globalization;
using System.Runtime.CompilerServices;
using Batch.Inference.Engine;
using Batch.Inference.Tokenizers;
using Batch.Jobs.Storage;
using Microsoft.Extensions.DependencyInjection;

namespace Batch.Benchmarks.Service;

/// <summary>What the process holds while jobs, and then lines of a batch, wait by the thousand for an engine that gives no token.</summary>
internal static class WaitingCommand
{
    private const int AtOnce = 16;

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(10);

    public static Command Create()
    {
        var jobs = new Option<int>("--jobs") { Description = "Jobs on the queue, and lines of the batch", DefaultValueFactory = _ => 10_000 };
        var command = new Command("waiting", "Measure the memory of the process while jobs and lines wait") { jobs };
        command.SetAction(async (given, cancellationToken) =>
        {
            var (engine, count) = (new HeldEngine(), given.GetValue(jobs));
            await using var host = await BenchmarkHost.StartAsync(() => engine, [], cancellationToken);
            Console.Out.WriteLine("waiting               in the engine  memory before, MB  peak, MB");
            await MeasureAsync($"{count} jobs", () => EnqueueAsync(host, count, cancellationToken));
            await MeasureAsync($"and {count} lines", async () =>
            {
                var file = await host.UploadAsync(stream => ServiceCommand.WriteAsync(stream, count, 0), cancellationToken);
                await host.CreateAsync(file, 0, cancellationToken);
            });

            async Task MeasureAsync(string name, Func<Task> handIn)
            {
                using var memory = new PeakMemory();
                var before = engine.Held;
                await handIn();
                while (engine.Held == before)
                {
                    await Task.Delay(Look, cancellationToken);
                }

                await Task.Delay(Rest, cancellationToken);
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-20} {engine.Held,14}  {memory.Before / 1e6,17:F0}  {memory.Peak / 1e6,8:F0}"));
            }
        });
        return command;
    }

    // Straight on the queue, as a caller without HTTP does.
    private static Task EnqueueAsync(BenchmarkHost host, int count, CancellationToken cancellationToken)
    {
        var queue = host.Services.GetRequiredService<StorageClients>().Queues.GetQueueClient(JobQueues.Jobs);
        return Parallel.ForAsync(
            0, count, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (i, token) => await queue.SendMessageAsync($$"""{"prompt":"Draft number {{i}} about the market","max_tokens":64}""", token));
    }

    private sealed class HeldEngine : LlmEngine
    {
        private static readonly OneTokenPerCharacter Characters = new();

        private int _held;

        public int Held => Volatile.Read(ref _held);

        public override ModelInfo Model { get; } = new("held", "held", "float32", "cpu", 1, 8192, 256, "held");

        public override HfTokenizer Tokenizer => Characters;

        public override EngineUse Use => new(Held, 0, new EngineOptions().MaxSequences, 0, 0, 0, 0, 0);

        public override async IAsyncEnumerable<GenerationUpdate> GenerateAsync(GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref _held);
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Interlocked.Decrement(ref _held);
            yield return new GenerationUpdate("", 0, FinishReason.Cancelled);
        }
    }
}
