using System.CommandLine;
using Batch.Benchmarks.Chaos;
using Batch.Benchmarks.Engine;
using Batch.Benchmarks.Fuzz;
using Batch.Benchmarks.References;
using Batch.Benchmarks.Service;

namespace Batch.Benchmarks;

/// <summary>One command for each thing measured.</summary>
internal static class Program
{
    private static Task<int> Main(string[] args)
    {
        var root = new RootCommand("Measures the engine, alone and beside its peers, and the service around it")
        {
            EngineCommand.Create(),
            PeerCommand.Create(),
            WorkloadCommand.Create(),
            PrefixCommand.Create(),
            SpeculationCommand.Create(),
            PerplexityCommand.Create(),
            SoakCommand.Create(),
            KernelsCommand.Create(),
            FirstTokenCommand.Create(),
            ReferenceCommand.Create(),
            CompareCommand.Create(),
            ServiceCommand.Create(),
            FuzzCommand.Create(),
            ChaosCommand.Create(),
            ReplicaCommand.Create(),
            InteractiveCommand.Create(),
            CheckpointsCommand.Create(),
        };
        return root.Parse(args).InvokeAsync();
    }
}
