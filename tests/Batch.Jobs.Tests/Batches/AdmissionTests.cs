using Batch.Jobs.Batches;

namespace Batch.Jobs.Tests.Batches;

/// <summary>Whose lines come next.</summary>
public sealed class AdmissionTests(StorageEmulator storage)
{
    private static readonly DateTimeOffset Now = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1, 3)]
    [InlineData(2, 2)]
    [InlineData(1, 10)]
    public void Next_SharesByWeight_WhileTenantsHaveWork(double weightA, double weightB)
    {
        var options = new BatchOptions { MaxEnqueuedTokens = long.MaxValue, TenantWeights = { ["a"] = weightA, ["b"] = weightB } };
        var admission = new Admission([Row("a", slices: 5000), Row("b", slices: 5000)], [], options);

        var taken = Enumerable.Range(0, 1000).Select(_ => Take(admission)).ToList();

        Assert.InRange(taken.Count(tenant => tenant == "a"), 990 * weightA / (weightA + weightB), 1010 * weightA / (weightA + weightB));
    }

    [Fact]
    public void Next_TakesPriorityThenDeadline_WithinATenant()
    {
        var admission = new Admission(
            [Row("a", id: "late", window: 2), Row("a", id: "urgent", window: 3, priority: 1), Row("a", id: "soon", window: 1)], [], new BatchOptions());

        var order = new List<string>();
        while (admission.Next() is { } row)
        {
            order.Add(row.Id);
            admission.Take(row, 1, isLast: true);
        }

        Assert.Equal(["urgent", "soon", "late"], order);
    }

    [Fact]
    public void Next_PassesOverATenant_ThatHasAllTheTokensItMayHave()
    {
        var admission = new Admission([Row("a") with { AdmittedTokens = 150, SettledTokens = 50 }, Row("b")], [], new BatchOptions { MaxEnqueuedTokens = 100 });

        Assert.Equal("b", admission.Next()!.Tenant);
        admission.Take(admission.Next()!, 100, isLast: false);
        Assert.Null(admission.Next());
    }

    [Fact]
    public void Next_OwesNothingToATenant_ThatWasAway()
    {
        var served = new Dictionary<string, double> { ["a"] = 1_000_000 };
        var admission = new Admission([Row("a", slices: 5000), Row("b", slices: 5000)], served, new BatchOptions { MaxEnqueuedTokens = long.MaxValue });

        var taken = Enumerable.Range(0, 100).Select(_ => Take(admission)).ToList();

        Assert.Equal(50, taken.Count(tenant => tenant == "b"));
    }

    [Fact]
    public async Task TwoTenantsOfWeight1And3_GetSharesWithin10Percent_ThroughTheWholePath()
    {
        var options = new BatchOptions { Window = 8, SliceLines = 1, TenantWeights = { ["big"] = 3 } };
        await using var batches = await TestBatches.StartAsync(storage, options);
        var small = await batches.CreateAsync(TestBatches.Lines(150), tenant: "small");
        var big = await batches.CreateAsync(TestBatches.Lines(150), tenant: "big");

        await batches.PumpAsync(async () => (await batches.FindAsync(big)).IsFinal);

        // As long as both had lines.
        var both = batches.Admitted.Take(160).ToList();
        Assert.InRange(both.Count(slice => slice.Tenant == "big"), 120 * 0.9, 120 * 1.1);
        Assert.Equal(150, (await batches.FinishedAsync(small)).Outcome.Succeeded);
    }

    [Fact]
    public async Task AnUrgentSmallBatch_OvertakesARunningLargeOne_WithinOneWindow()
    {
        const int Window = 8;
        await using var batches = await TestBatches.StartAsync(storage, new BatchOptions { Window = Window, SliceLines = 1 });
        var large = await batches.CreateAsync(TestBatches.Lines(200));
        await batches.DispatchAsync();
        await batches.RunLinesAsync(most: 4);
        var before = batches.Admitted.Count;

        var urgent = await batches.CreateAsync(TestBatches.Lines(2), more: ""","priority":5""");
        await batches.PumpAsync(async () => (await batches.FindAsync(urgent)).IsFinal);

        var since = batches.Admitted.Skip(before).ToList();
        Assert.InRange(since.FindLastIndex(slice => slice.BatchId == urgent.Id), 0, Window + 1);
        Assert.False((await batches.FindAsync(large)).IsFinal);
    }

    [Fact]
    public async Task WaitingBatch_SaysAtWhichPlaceAndWhy()
    {
        await using var batches = await TestBatches.StartAsync(storage, new BatchOptions { Window = 2, SliceLines = 1 });
        await batches.CreateAsync(TestBatches.Lines(9), more: ""","priority":5""");
        await batches.DispatchAsync();
        var waiting = await batches.CreateAsync(TestBatches.Lines(1));
        await batches.DispatchAsync();

        var view = await batches.Reader.FindAsync(waiting.Tenant, waiting.Id, Cancellation);

        Assert.Equal((2, 1), (view!.Progress!.Position, view.Progress.LinesLeft));
        Assert.Contains("1 batches of higher priority", view.Progress.WaitingFor, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Progress_MeasuresSpeedAndEta()
    {
        await using var batches = await TestBatches.StartAsync(storage, new BatchOptions { Window = 5, SliceLines = 1 });
        var batch = await batches.CreateAsync(TestBatches.Lines(20));
        await batches.DispatchAsync();
        batches.Time.Advance(TimeSpan.FromSeconds(10));
        await batches.RunLinesAsync();
        await batches.TurnAsync();
        await batches.DispatchAsync();

        var progress = (await batches.Reader.FindAsync(batch.Tenant, batch.Id, Cancellation))!.Progress!;

        Assert.Equal((15, 0.5, 1.5, 30), (progress.LinesLeft, progress.LinesPerSecond, progress.TokensPerSecond, progress.EtaSeconds));
    }

    private static string Take(Admission admission)
    {
        var row = admission.Next()!;
        admission.Take(row, 16, isLast: false);
        return row.Tenant;
    }

    private static BatchRow Row(string tenant, string? id = null, int slices = 1, int window = 1, int priority = 0) => new()
    {
        PartitionKey = tenant,
        RowKey = id ?? $"batch of {tenant}",
        State = BatchState.InProgress,
        Slices = slices,
        Priority = priority,
        CreatedAt = Now,
        ExpiresAt = Now.AddDays(window),
    };
}
