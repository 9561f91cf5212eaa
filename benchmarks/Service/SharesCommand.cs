using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Microsoft.Extensions.DependencyInjection;

namespace Batch.Benchmarks.Service;

/// <summary>What two tenants of weights 1 and 3 get while both have work, and how soon an urgent batch is through beside a large one.</summary>
internal static class SharesCommand
{
    private const int Urgent = 64;

    public static Command Create()
    {
        var lines = new Option<int>("--lines") { Description = "Lines of the large batches", DefaultValueFactory = _ => 50_000 };
        var command = new Command("shares", "Measure the shares of tenants of weights 1 and 3, and how soon an urgent batch overtakes") { lines };
        command.SetAction(async (given, cancellationToken) =>
        {
            var engine = new InstantEngine();
            await using (var host = await BenchmarkHost.StartAsync(() => engine, ["--Access:Required=true"], cancellationToken))
            {
                await OvertakeAsync(host, engine, given.GetValue(lines), cancellationToken);
            }

            // Small slices, so that there are many turns to share.
            await using (var host = await BenchmarkHost.StartAsync(() => new InstantEngine(), ["--Batches:TenantWeights:three=3", "--Batches:SliceLines=4", "--Access:Required=true"], cancellationToken))
            {
                await ShareAsync(host, given.GetValue(lines) / 5, cancellationToken);
            }
        });
        return command;
    }

    private static async Task OvertakeAsync(BenchmarkHost host, InstantEngine engine, int lines, CancellationToken cancellationToken)
    {
        await EnterAsync(host, "one", cancellationToken);
        var (large, small) = (await UploadAsync(host, lines, cancellationToken), await UploadAsync(host, Urgent, cancellationToken, "Urgent"));
        var running = await host.CreateAsync(large, 0, cancellationToken);
        while (BenchmarkHost.Completed(await host.FindAsync(running, cancellationToken)) < lines / 20)
        {
            await Task.Delay(100, cancellationToken);
        }

        var clock = Stopwatch.StartNew();
        var urgent = await host.CreateAsync(small, 10, cancellationToken);
        var before = engine.Answered;
        await host.CompletedAsync(urgent, TimeSpan.FromMilliseconds(100), cancellationToken);
        var seconds = clock.Elapsed.TotalSeconds;
        var window = new BatchOptions();
        Console.Out.WriteLine("urgent lines  beside  seconds to the end  others that ran meanwhile  lines of a window");
        Console.Out.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{Urgent,12}  {lines,6}  {seconds,18:F1}  {engine.LastUrgent - before - Urgent,25}  {window.Window * window.SliceLines,17}"));
        Console.Out.WriteLine();
        using var cancelled = await host.Http.PostAsync($"v1/batches/{running}/cancel", null, cancellationToken);
    }

    private static async Task ShareAsync(BenchmarkHost host, int lines, CancellationToken cancellationToken)
    {
        var keys = new Dictionary<string, string>();
        var batches = new Dictionary<string, string>();
        foreach (var tenant in new[] { "one", "three" })
        {
            keys[tenant] = await EnterAsync(host, tenant, cancellationToken);
            batches[tenant] = await host.CreateAsync(await UploadAsync(host, lines, cancellationToken), 5, cancellationToken);
        }

        // While both have lines: from when both run until the heavier has three quarters.
        var (one, three, start) = (0, 0, ((int One, int Three)?)null);
        while (three < lines * 3 / 4)
        {
            await Task.Delay(200, cancellationToken);
            three = await CompletedAsync("three");
            one = await CompletedAsync("one");
            start ??= one > 0 && three > 0 ? (one, three) : null;
        }

        var (a, b) = (one - start!.Value.One, three - start.Value.Three);
        Console.Out.WriteLine("tenant  weight  lines while both had some  share  of its weight");
        foreach (var (tenant, weight, ran) in new[] { ("one", 1, a), ("three", 3, b) })
        {
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{tenant,-6}  {weight,6}  {ran,25}  {ran / (double)(a + b),5:P1}  {weight / 4.0,13:P1}"));
        }

        async Task<int> CompletedAsync(string tenant)
        {
            host.Http.DefaultRequestHeaders.Authorization = new("Bearer", keys[tenant]);
            return BenchmarkHost.Completed(await host.FindAsync(batches[tenant], cancellationToken));
        }
    }

    private static async Task<string> EnterAsync(BenchmarkHost host, string tenant, CancellationToken cancellationToken)
    {
        var (_, secret) = await host.Services.GetRequiredService<ApiKeyStore>().CreateAsync(tenant, ApiScopes.Admin, "benchmark", null, cancellationToken);
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", secret);
        return secret;
    }

    private static Task<string> UploadAsync(BenchmarkHost host, int lines, CancellationToken cancellationToken, string begins = "Draft") =>
        host.UploadAsync(stream => ServiceCommand.WriteAsync(stream, lines, 0, begins), cancellationToken);
}
