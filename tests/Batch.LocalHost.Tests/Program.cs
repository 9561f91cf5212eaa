using System.Globalization;
using Batch.LocalHost.Emulator;
using Xunit.MicrosoftTestingPlatform;

namespace Batch.LocalHost.Tests;

/// <summary>Runs the tests or, as the child of one of them, owns an Azurite until it is killed.</summary>
internal static class Program
{
    public const string OwnAzurite = "own-azurite";

    private static async Task<int> Main(string[] args)
    {
        if (args is not [OwnAzurite, var folder])
        {
            return await TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions);
        }

        await using var azurite = await Azurite.StartAsync(folder, CancellationToken.None);
        Console.WriteLine(azurite.ConnectionString);
        Console.WriteLine(azurite.ProcessId.ToString(CultureInfo.InvariantCulture));
        await Task.Delay(Timeout.Infinite);
        return 0;
    }
}
