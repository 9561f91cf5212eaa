using Batch.LocalHost.Emulator;

namespace Batch.LocalHost.Tests.Emulator;

public sealed class NodeProcessTests
{
    [Fact]
    public void Start_SaysWhatToInstall_WhenTheProgramIsMissing()
    {
        var error = Assert.Throws<InvalidOperationException>(() => NodeProcess.Start("no-such-node", []));

        Assert.Contains("Install Node.js from https://nodejs.org", error.Message, StringComparison.Ordinal);
    }
}
