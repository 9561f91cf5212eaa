using Batch.LocalHost.Functions;
using Batch.LocalHost.Hosting;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Batch.LocalHost.Timers;

/// <summary>Keeps the timer of each timer-triggered function, until the host stops and the last runs have ended.</summary>
internal sealed class TimerTriggers : BackgroundService
{
    private readonly TimerListener[] _listeners;

    /// <summary>A schedule that cannot be read stops the host here, before anything runs.</summary>
    public TimerTriggers(FunctionCatalog catalog, IConfiguration configuration, IServiceProvider services) =>
        _listeners = [.. catalog.Timers.Select(function =>
            ActivatorUtilities.CreateInstance<TimerListener>(services, function, Schedule(function, configuration)))];

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(_listeners.Select(listener => listener.RunAsync(stoppingToken)));

    private static Schedule Schedule(Function function, IConfiguration configuration)
    {
        try
        {
            return Timers.Schedule.Parse(SettingName.Resolve(((TimerTriggerAttribute)function.Trigger).Schedule, configuration));
        }
        catch (FormatException e)
        {
            throw function.Invalid(e.Message);
        }
    }
}
