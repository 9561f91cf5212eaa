using System.Net;
using Microsoft.Extensions.Time.Testing;

namespace Batch.Functions.Tests.Faults;

/// <summary>
/// Each way through the system, with a fault at each of its writes in turn. In the end everything ended as it would have without, told under one id, and
/// nothing lies about that nobody accounts for.
/// </summary>
public sealed class LifeTests(FaultStorage storage) : IClassFixture<FaultStorage>
{
    private const int MostWrites = 150;

    public static TheoryData<string, string> Faults => [.. from life in Life.All from kind in Enum.GetValues<FaultKind>() select (life.Name, kind.ToString())];

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Life_EndsAsWithoutFaults_WhenAnyOfItsWritesFails(string life, string kind)
    {
        var stride = StrideOf(life, Enum.Parse<FaultKind>(kind));
        var faults = 0;
        for (var write = 1; write < MostWrites; write += stride)
        {
            if (!await RunAsync(life, fault => fault.Arm(Enum.Parse<FaultKind>(kind), write)))
            {
                break;
            }

            faults++;
        }

        Assert.InRange(faults, 1, (MostWrites / stride) - 1);
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 3)]
    public async Task Lives_EndAsOnce_WhenMessagesComeTwiceAndInAnyOrder(bool twice, int? shuffle)
    {
        foreach (var life in Life.All)
        {
            await RunAsync(life.Name, _ => { }, twice, shuffle);
        }
    }

    // BATCH_FAULTS=all lets every write fail in every way. Some of them are enough each time: the kinds leave storage in the same states.
    private static int StrideOf(string life, FaultKind kind) => Environment.GetEnvironmentVariable("BATCH_FAULTS") == "all" ? 1
        : kind != FaultKind.Crash ? 23
        : life.StartsWith("batch", StringComparison.Ordinal) ? 7 : life.Contains("five", StringComparison.Ordinal) ? 6 : 2;

    private async Task<bool> RunAsync(string name, Action<StorageFault> arm, bool twice = false, int? shuffle = null)
    {
        await storage.EmptyAsync();
        var life = Life.All.Single(each => each.Name == name);
        using var receiver = new Receiver { First = () => new HttpResponseMessage(HttpStatusCode.InternalServerError) };
        var (fault, time) = (new StorageFault(), new FakeTimeProvider(new DateTimeOffset(2026, 3, 4, 5, 6, 7, TimeSpan.Zero)));
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
        Assert.Equal(census.EventIds.Distinct().Where(IsHooked).Order(), receiver.Taken.Distinct().Order());
        return fault.Happened;

        bool IsHooked(string id) => name.Contains("webhook", StringComparison.Ordinal) || name.Contains("file", StringComparison.Ordinal);
    }

    private static async Task GoOnAsync(HandledApp app, StorageFault fault)
    {
        if (fault.IsDead)
        {
            fault.Disarm();
            await app.StartAsync();
        }
    }
}
