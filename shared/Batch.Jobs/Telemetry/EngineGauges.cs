using System.Diagnostics.Metrics;
using Batch.Inference.Engine;
using Microsoft.Extensions.Hosting;

namespace Batch.Jobs.Telemetry;

/// <summary>How busy the engines are, told when somebody asks.</summary>
public sealed class EngineGauges : IHostedService
{
    private readonly EngineHost _engines;

    public EngineGauges(EngineHost engines, IMeterFactory meters)
    {
        _engines = engines;
        var meter = meters.Create(MetricNames.Meter);
        meter.CreateObservableGauge(
            MetricNames.EngineSequences, () => Of("state", use => [("running", use.Running), ("waiting", use.Waiting)]), "{sequence}", "Sequences in the batch, and waiting for a place in it.");
        meter.CreateObservableGauge(
            MetricNames.EngineOccupancy, () => Of(use => use.Seats == 0 ? 0 : (double)use.Running / use.Seats), "1", "How full the batch is: sequences in it over its places.");
        meter.CreateObservableGauge(
            MetricNames.CacheUse, () => Of(use => use.CacheSize == 0 ? 0 : (double)use.CacheTokens / use.CacheSize), "1", "How full the key-value cache is.");
        meter.CreateObservableCounter(
            MetricNames.EngineTokens, () => Of("batch.token.kind", use => [("computed", use.ComputedTokens), ("sampled", use.SampledTokens)]), "{token}", "Tokens computed, and drawn; the rate of the latter is the engine's speed.");
        meter.CreateObservableCounter(
            MetricNames.EnginePreemptions, () => Of(use => use.Preemptions), "{sequence}", "Sequences that lost their place in the cache and started over.");
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private IEnumerable<Measurement<T>> Of<T>(Func<EngineUse, T> value)
        where T : struct => Loaded().Select(model => new Measurement<T>(value(model.Use), ModelTag(model.Name)));

    private IEnumerable<Measurement<long>> Of(string label, Func<EngineUse, (string Kind, long Value)[]> values) => Loaded().SelectMany(
        model => values(model.Use).Select(each => new Measurement<long>(each.Value, ModelTag(model.Name), new KeyValuePair<string, object?>(label, each.Kind))));

    private IEnumerable<(string Name, EngineUse Use)> Loaded()
    {
        foreach (var model in _engines.Models)
        {
            if (model.LoadedEngine is { } engine)
            {
                yield return (model.Name, engine.Use);
            }
        }
    }

    private static KeyValuePair<string, object?> ModelTag(string name) => new("gen_ai.request.model", name);
}
