using System.CommandLine;
using System.Diagnostics;

namespace Batch.Benchmarks.Chaos;

/// <summary>
/// Real processes over one storage emulator, killed, terminated, cut off and told everything twice while jobs and a batch go through; then every text is held beside
/// that of a run that nobody disturbed. Ends by itself, and ends only what it started.
/// </summary>
internal static class ChaosCommand
{
    public static Command Create()
    {
        var jobs = new Option<int>("--jobs") { Description = "Jobs, handed in over two thirds of the time", DefaultValueFactory = _ => 300 };
        var lines = new Option<int>("--lines") { Description = "Lines of a batch beside them", DefaultValueFactory = _ => 100 };
        var tokens = new Option<int>("--tokens") { Description = "Of the longest text; the shortest has an eighth", DefaultValueFactory = _ => 400 };
        var minutes = new Option<double>("--minutes") { Description = "For which faults come; what is left then may end in peace", DefaultValueFactory = _ => 5 };
        var seed = new Option<int>("--seed") { Description = "Of the faults", DefaultValueFactory = _ => 1 };
        var model = new Option<string>("--model") { Description = "Hugging Face folder", DefaultValueFactory = _ => Path.Combine("models", "draft-5m") };
        var command = new Command("chaos", "Kill replicas, storage and connections under load, and look for what was lost or doubled") { jobs, lines, tokens, minutes, seed, model };
        command.SetAction((given, cancellationToken) => RunAsync(
            new ChaosWork(given.GetValue(jobs), given.GetValue(lines), given.GetValue(tokens)), TimeSpan.FromMinutes(given.GetValue(minutes)), given.GetValue(seed), Path.GetFullPath(given.GetValue(model)!), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ChaosWork work, TimeSpan time, int seed, string model, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("batch-chaos-");
        try
        {
            Console.Out.WriteLine($"{work.Jobs} jobs and a batch of {work.Lines} lines, first undisturbed");
            var (texts, lineTexts, needed) = await UndisturbedAsync(work, Path.Combine(folder.FullName, "calm"), model, cancellationToken);
            Console.Out.WriteLine($"{needed} tokens; now with faults for {time.TotalMinutes:F1} minutes, seed {seed}");

            var clock = Stopwatch.StartNew();
            await using var system = await ChaosSystem.StartAsync(Path.Combine(folder.FullName, "chaos"), model, replicas: 2);
            await using var receiver = await WebhookReceiver.StartAsync();
            await using var faults = system.Faults(new Random(seed));
            using var over = new CancellationTokenSource(time);
            var disturbing = faults.GoOnAsync(over.Token);
            var batch = await system.RunAsync(work, faults.Submitted, time * (2 / 3d), cancellationToken, receiver.Address, disturbing);
            var outcome = await system.OutcomeAsync(work, batch, texts, lineTexts, receiver, cancellationToken);
            Print(work, faults, receiver, outcome, needed, system.Tokens, clock.Elapsed);
            return outcome.IsRight ? 0 : 1;
        }
        finally
        {
            Console.Out.WriteLine($"logs of the replicas: {folder.FullName}");
        }
    }

    private static async Task<(IReadOnlyList<string> Texts, IReadOnlyList<string> LineTexts, long Tokens)> UndisturbedAsync(ChaosWork work, string folder, string model, CancellationToken cancellationToken)
    {
        await using var system = await ChaosSystem.StartAsync(folder, model, replicas: 1);
        var batch = await system.RunAsync(work, null, TimeSpan.Zero, cancellationToken);
        var (texts, lineTexts) = await system.TextsAsync(work, batch, cancellationToken);
        return (texts, lineTexts, system.Tokens);
    }

    private static void Print(ChaosWork work, ChaosFaults faults, WebhookReceiver receiver, ChaosOutcome outcome, long needed, long drawn, TimeSpan took)
    {
        var stopped = faults.Kills + faults.Terminations;
        Console.Out.WriteLine(
            $"""
            jobs                  {work.Jobs,6}   lost {outcome.Lost}, failed {outcome.Failed}, with another text {outcome.OtherText}; {outcome.Attempts} attempts
            lines of a batch      {work.Lines,6}   lost {outcome.LinesLost}, doubled {outcome.LinesTwice}, with another text {outcome.LinesOtherText}; counts {(outcome.CountsExact ? "exact" : "WRONG")}
            events                {outcome.EventIds,6}   ids, {outcome.WrongEventIds} missing or unexpected; {outcome.Events - outcome.EventIds} told again under the same id
            webhooks              {outcome.Webhooks,6}   taken, {outcome.WebhooksLost} lost, {outcome.WebhooksTwice} taken again under the same id; {receiver.Refused} first attempts refused, redirected or left hanging
            endpoint              {outcome.Calls,6}   events taken, {outcome.CallsLost} lost, {outcome.CallsTwice} taken again under the same id; another, gone, was called {receiver.Gone} times, then {(outcome.DisabledOnce ? "disabled, told under one id" : "NOT DISABLED ONCE")}
            kills                 {faults.Kills,6}   kill -9; SIGTERM {faults.Terminations}, of them {faults.Late} not over after 30 s
            storage               {faults.StorageStops,6}   stops and starts; {faults.BrokenConnections} connections broken, {faults.Throttled} requests refused with 503; {faults.Duplicates} messages doubled
            tokens                {needed,6}   undisturbed; {drawn} drawn, {drawn - needed} again: {(stopped == 0 ? 0 : (drawn - needed) / (double)stopped):F0} for each process that was ended
            time                  {took.TotalSeconds,6:F0}   s
            """);
    }
}
