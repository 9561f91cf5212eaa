using Microsoft.Extensions.Time.Testing;

namespace Batch.Functions.Tests.Faults;

/// <summary>
/// Each way through the system, with a fault at each of its writes in turn. In the end everything ended as it would have without, told under one id, and
/// nothing lies about that nobody accounts for.
/// </summary>
public sealed class LifeTests(LifeTests.Storages storages) : IClassFixture<LifeTests.Storages>
{
    private const int MostWrites = 250;
    private static readonly DateTimeOffset Start = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);

    public static TheoryData<string, string> Faults => [.. from life in Life.All from kind in Enum.GetValues<FaultKind>() select (life.Name, kind.ToString())];

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Life_EndsAsWithoutFaults_WhenAnyOfItsWritesFails(string life, string kind)
    {
        var stride = StrideOf(life, Enum.Parse<FaultKind>(kind));
        var (next, faults) = (1 - stride, 0);
        await Task.WhenAll(storages.All.Select(GoThroughAsync));
        TestContext.Current.TestOutputHelper?.WriteLine($"{faults} faults");
        Assert.InRange(faults, 1, (MostWrites / stride) - 1);

        // Each storage takes the next write until there is none.
        async Task GoThroughAsync(FaultStorage storage)
        {
            for (var write = Next(); write < MostWrites && await RunAsync(storage, life, fault => fault.Arm(Enum.Parse<FaultKind>(kind), write)); write = Next())
            {
                Interlocked.Increment(ref faults);
            }
        }

        int Next() => Interlocked.Add(ref next, stride);
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 3)]
    public async Task Lives_EndAsOnce_WhenMessagesComeTwiceAndInAnyOrder(bool twice, int? shuffle)
    {
        foreach (var life in Life.All)
        {
            await RunAsync(storages.All[0], life.Name, _ => { }, twice, shuffle);
        }
    }

    [Fact]
    public async Task File_HoldsWhatWasUploaded_WhenTheAnswerToAnyWriteOfItIsLost()
    {
        var (fault, write) = (new StorageFault(), 0);
        do
        {
            await storages.All[0].EmptyAsync();
            using var receiver = new Receiver();
            await using var app = new HandledApp(storages.All[0].ConnectionString, new FakeTimeProvider(Start), fault, receiver);
            await app.StartAsync();
            fault.Arm(FaultKind.LostAnswer, ++write);

            var id = await Life.UploadAsync(app) ?? await Life.UploadAsync(app);

            var blob = app.Storage.Blobs.GetBlobContainerClient("files").GetBlobClient($"default/{id}");
            Assert.StartsWith("""{"custom_id":"one",""", (await blob.DownloadContentAsync(TestContext.Current.CancellationToken)).Value.Content.ToString(), StringComparison.Ordinal);
        }
        while (fault.Happened);
        Assert.InRange(write, 4, 20);
    }

    // BATCH_FAULTS=all lets every write fail in every way. Some of them are enough each time: the kinds leave storage in the same states.
    private static int StrideOf(string life, FaultKind kind) => Environment.GetEnvironmentVariable("BATCH_FAULTS") == "all" ? 1
        : kind != FaultKind.Crash ? 23
        : life.Split(' ')[0] switch { "batch" or "endpoint" or "endpoint:" => 7, "work" => 11, _ => life.Contains("five", StringComparison.Ordinal) ? 6 : 2 };

    private static async Task<bool> RunAsync(FaultStorage storage, string name, Action<StorageFault> arm, bool twice = false, int? shuffle = null)
    {
        await storage.EmptyAsync();
        var life = Life.All.Single(each => each.Name == name);
        using var receiver = new Receiver { First = () => new HttpResponseMessage(life.FirstAnswer) };
        var (fault, time) = (new StorageFault(), new FakeTimeProvider(Start));
        await using var app = new HandledApp(storage.ConnectionString, time, fault, receiver);
        await app.StartAsync();
        arm(fault);
        for (var tries = 0; !await life.SubmitAsync(app); tries++)
        {
            Assert.True(tries < 4, $"{name}: no answer to the caller after {tries} tries: {app.LastError}");
            await GoOnAsync(app, fault);
            time.Advance(TimeSpan.FromMinutes(3)); // the caller comes again later
        }

        while (await app.PumpAsync(twice, shuffle))
        {
            await GoOnAsync(app, fault);
        }

        fault.Disarm();
        Assert.False(await app.PumpAsync());
        var census = await StorageCensus.TakeAsync(app.Storage);
        life.Check(census);
        Assert.Empty(census.LeftOver());
        Assert.Equal(census.EventIds.Distinct().Where(life.IsHooked).Order(), receiver.Taken.Distinct().Order());
        return fault.Happened;
    }

    private static async Task GoOnAsync(HandledApp app, StorageFault fault)
    {
        if (fault.IsDead)
        {
            fault.Disarm();
            await app.StartAsync();
        }
    }

    /// <summary>Two accounts: while one answers, the other's test computes.</summary>
    public sealed class Storages : IAsyncLifetime
    {
        internal IReadOnlyList<FaultStorage> All { get; } = [new(), new()];

        public async ValueTask InitializeAsync() => await Task.WhenAll(All.Select(storage => storage.InitializeAsync().AsTask()));

        public async ValueTask DisposeAsync() => await Task.WhenAll(All.Select(storage => storage.DisposeAsync().AsTask()));
    }
}
