using Batch.LocalHost.Functions;
using Batch.LocalHost.Hosting;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Batch.LocalHost.Queues;

/// <summary>Listens to the queue of each queue-triggered function, until the host stops and their last messages are done with.</summary>
internal sealed class QueueTriggers : BackgroundService
{
    private readonly QueueListener[] _listeners;

    /// <summary>A setting that is missing or wrong stops the host here, before anything runs.</summary>
    public QueueTriggers(FunctionCatalog catalog, IServiceProvider services) =>
        _listeners = [.. catalog.Queues.Select(function => Listener(function, services))];

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(_listeners.Select(listener => listener.RunAsync(stoppingToken)));

    private static QueueListener Listener(Function function, IServiceProvider services)
    {
        var trigger = (QueueTriggerAttribute)function.Trigger;
        var configuration = services.GetRequiredService<IConfiguration>();
        var queues = services.GetRequiredService<IOptions<QueuesOptions>>().Value;
        var queue = new TriggerQueue(
            SettingName.Resolve(trigger.QueueName, configuration),
            options => QueueConnection.Connect(configuration, trigger.Connection, options),
            queues.MessageEncoding,
            services.GetRequiredService<IOptions<LocalHostOptions>>().Value.QueueLock,
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<ILogger<TriggerQueue>>());
        return ActivatorUtilities.CreateInstance<QueueListener>(services, function, queue, queues);
    }
}
