using Batch.Functions.Completions;
using Batch.Functions.Limits;
using Batch.Inference.Engine;
using Batch.Jobs;
using Batch.Jobs.Access;
using Batch.Jobs.Audit;
using Batch.Jobs.Batches;
using Batch.Jobs.Events;
using Batch.Jobs.Files;
using Batch.Jobs.Interactive;
using Batch.Jobs.ModelFiles;
using Batch.Jobs.Requests;
using Batch.Jobs.Retention;
using Batch.Jobs.Runs;
using Batch.Jobs.Schedules;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;
using Batch.Jobs.Webhooks;
using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Batch.Functions;

/// <summary>The map: everything that is built, in the order in which a job meets it.</summary>
public static class Program
{
    public static Task Main(string[] args) => BuildHost(args).RunAsync();

    /// <param name="args">Settings over those of the files and the environment, as <c>--Engine:ModelPath=…</c>.</param>
    /// <param name="configure">Replaces registrations, such as the <see cref="EngineLoader"/> in tests.</param>
    public static IHost BuildHost(string[] args, Action<IServiceCollection>? configure = null)
    {
        var builder = FunctionsApplication.CreateBuilder(args);
        builder.ConfigureFunctionsWebApplication();
        TelemetryExport.Add(builder);
        var services = builder.Services;

        // Settings, checked before anything starts.
        services.AddOptionsWithValidateOnStart<EngineOptions>().BindConfiguration("Engine").ValidateDataAnnotations();
        services.AddOptionsWithValidateOnStart<ModelsOptions, ModelsOptionsValidation>().BindConfiguration("Models");
        services.AddOptionsWithValidateOnStart<AccessOptions>().BindConfiguration("Access").ValidateDataAnnotations();
        services.AddOptionsWithValidateOnStart<LimitsOptions>().BindConfiguration("Limits").ValidateDataAnnotations();
        services.AddOptionsWithValidateOnStart<JobsOptions>().BindConfiguration("Jobs").ValidateDataAnnotations();
        services.AddOptionsWithValidateOnStart<BatchOptions>().BindConfiguration("Batches").ValidateDataAnnotations();
        services.AddOptionsWithValidateOnStart<WebhookOptions>().BindConfiguration("Webhooks").ValidateDataAnnotations();
        services.AddOptionsWithValidateOnStart<EventGridOptions>().BindConfiguration("EventGrid").ValidateDataAnnotations();
        services.AddOptionsWithValidateOnStart<AuditOptions>().BindConfiguration("Audit").ValidateDataAnnotations();
        services.AddOptionsWithValidateOnStart<RetentionOptions>().BindConfiguration("Retention").ValidateDataAnnotations();

        // Time, numbers and the storage account.
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton<JobMetrics>();
        services.AddSingleton(StorageClients.FromConfiguration(builder.Configuration));
        services.AddHostedService<StorageSetup>();
        services.AddSingleton<QueueWatch>();
        services.AddHostedService(provider => provider.GetRequiredService<QueueWatch>());
        services.AddSingleton<QueueConsumer>();

        // Who may come in.
        services.AddSingleton<ApiKeyStore>();
        services.AddSingleton<Authenticator>();
        services.AddSingleton<RateLimits>();
        services.AddSingleton<ApiGate>();

        // A job comes in: from HTTP or from its message, to a row.
        services.AddSingleton<JobStore>();
        services.AddSingleton<JobQueues>();
        services.AddSingleton<AuditLog>();
        services.AddSingleton<InputReader>();
        services.AddSingleton<JobIntake>();
        services.AddSingleton<WaitingRoom>();

        // A file comes in.
        services.AddSingleton<FileStore>();
        services.AddSingleton<FileIntake>();

        // A batch comes in, over a file or a blob.
        services.AddSingleton<BatchStore>();
        services.AddSingleton<BatchQueues>();
        services.AddSingleton<BatchBlobs>();
        services.AddSingleton<BatchAddresses>();
        services.AddSingleton<BatchIntake>();

        // It runs: in the engine, beside others.
        services.AddSingleton<EngineLoader>(
            provider => (options, progress) => LlmEngine.Load(options, provider.GetRequiredService<ILogger<LlmEngine>>(), progress));
        services.AddSingleton(provider => new BlobModel(provider.GetRequiredService<StorageClients>(), AzureCredential.FromConfiguration(builder.Configuration)));
        services.AddSingleton<EngineHost>();
        services.AddHostedService(provider => provider.GetRequiredService<EngineHost>());
        services.AddHostedService<EngineGauges>();
        services.AddSingleton<Readiness>();
        services.AddSingleton<GenerationDefaults>();
        services.AddSingleton<ShutdownSignal>();
        services.AddSingleton<RunClaims>();
        services.AddSingleton<JobGenerator>();
        services.AddSingleton<JobProcessor>();

        // A batch's lines run, and the dispatcher moves the batches along.
        services.AddSingleton<LineRunner>();
        services.AddSingleton<BatchWatch>();
        services.AddSingleton<DispatchNudge>();
        services.AddSingleton<SliceRuns>();
        services.AddSingleton<SliceProcessor>();
        services.AddSingleton<BatchValidator>();
        services.AddSingleton<BatchFiles>();
        services.AddSingleton<BatchCollector>();
        services.AddSingleton<DispatchTurns>();
        services.AddSingleton<BatchDispatcher>();

        // Somebody waits for a text.
        services.AddSingleton<InteractiveCompletions>();
        services.AddSingleton<CompletionEndpoint>();

        // The world is told.
        services.AddSingleton<EventFormat>();
        services.AddSingleton<EndpointStore>();
        services.AddSingleton<DeliveryStore>();
        services.AddSingleton<WebhookFanOut>();
        services.AddSingleton(provider => EventSink.Create(
            provider.GetRequiredService<JobQueues>(),
            provider.GetRequiredService<WebhookFanOut>(),
            provider.GetRequiredService<EventFormat>(),
            provider.GetRequiredService<IOptions<EventGridOptions>>().Value,
            AzureCredential.FromConfiguration(builder.Configuration)));
        services.AddSingleton<EventPublisher>();
        services.AddSingleton<BatchEvents>();

        // Webhooks are sent, attempt after attempt.
        services.AddSingleton<EndpointSecrets>();
        services.AddSingleton<EndpointHealth>();
        services.AddSingleton<WebhookTargets>();
        services.AddSingleton<WebhookAddressGuard>();
        services.AddSingleton<ReceiverTurns>();
        services.AddHttpClient<WebhookCalls>(http => http.Timeout = WebhookCalls.Timeout)
            .ConfigurePrimaryHttpMessageHandler(provider => provider.GetRequiredService<WebhookAddressGuard>().CreateHandler())
            .RemoveAllLoggers();
        services.AddTransient<WebhookSender>();

        // People look after their jobs.
        services.AddSingleton<BlobLinks>();
        services.AddSingleton<JobReader>();
        services.AddSingleton<JobControl>();
        services.AddSingleton<PoisonQueues>();
        services.AddSingleton<JobSweep>();
        services.AddSingleton<PoisonSweep>();
        services.AddSingleton<BatchReader>();
        services.AddSingleton<BatchLineReader>();
        services.AddSingleton<BatchControl>();
        services.AddSingleton<EndpointControl>();
        services.AddSingleton<DeliveryControl>();

        // Jobs by the clock.
        services.AddSingleton<ScheduleStore>();
        services.AddSingleton<RowsReader>();
        services.AddSingleton<ScheduledBatch>();
        services.AddSingleton<ScheduleRunner>();
        services.AddSingleton<ScheduleControl>();

        // Everything ends: each kind of thing after its time.
        services.AddSingleton<IExpiring, FileExpiry>();
        services.AddSingleton<IExpiring, JobExpiry>();
        services.AddSingleton<IExpiring, BatchExpiry>();
        services.AddSingleton<IExpiring, IdempotencyKeyExpiry>();
        services.AddSingleton<IExpiring, ScheduleRunExpiry>();
        services.AddSingleton<IExpiring, DeliveryExpiry>();
        services.AddSingleton<IExpiring, AuditExpiry>();
        services.AddSingleton<Sweeper>();

        configure?.Invoke(services);
        return builder.Build();
    }
}
