using Batch.Benchmarks.Fuzz;

namespace Batch.Functions.Tests;

/// <summary>A small share of what <c>benchmarks -- fuzz</c> does at length: the same cases each time.</summary>
public sealed class FuzzTests
{
    private const int Cases = 150;

    [Fact]
    public void EveryParserAtTheEdge_TakesOrRefusesAsItPromises_WhateverComes()
    {
        using var targets = new FuzzTargets();
        var findings = new List<string>();
        foreach (var target in targets.All)
        {
            var run = new FuzzRun(target);
            run.Run(seed: 2, first: 0, count: target.Share < 10 ? Cases / 5 : Cases, TestContext.Current.CancellationToken);
            findings.AddRange(run.Findings);
        }

        Assert.Empty(findings);
    }
}
