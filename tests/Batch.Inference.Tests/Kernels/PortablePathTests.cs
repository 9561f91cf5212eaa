using System.Diagnostics;

namespace Batch.Inference.Tests.Kernels;

/// <summary>What processors with fewer instructions compute: the tests of the kernels again, in a process whose runtime is told to leave some of this one's unused.</summary>
public class PortablePathTests
{
    [Theory]
    [InlineData("DOTNET_EnableAVX512")]
    [InlineData("DOTNET_EnableAVX2")]
    [InlineData("DOTNET_EnableHWIntrinsic")]
    public async Task Kernels_PassTheirTests_Without(string instructions)
    {
        string[] arguments = [typeof(PortablePathTests).Assembly.Location, "--no-ansi", "--filter-class", "*.LanesTests", "--filter-class", "*.RowKernelTests", "--filter-class", "*LinearTests", "--filter-class", "*.PackedWeightTests"];
        using var process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardOutput = true, Environment = { [instructions] = "0" } })!;

        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.True(process.ExitCode == 0, output);
    }
}
