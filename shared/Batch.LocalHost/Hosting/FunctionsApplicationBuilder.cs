using Batch.LocalHost.Functions;
using Batch.LocalHost.Hosting;
using Batch.LocalHost.Http;
using Batch.LocalHost.Queues;
using Batch.LocalHost.Timers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.Metrics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Azure.Functions.Worker.Builder;

/// <summary>
/// Collects services and configuration, then builds one host that is the worker and the Functions host in a single process:
/// it polls the queues, keeps the timers and serves the HTTP routes of the functions it was given.
/// </summary>
public sealed class FunctionsApplicationBuilder : IHostApplicationBuilder
{
    private readonly WebApplicationBuilder _web;
    private readonly IEnumerable<Type> _functionClasses;

    internal FunctionsApplicationBuilder(string[] args, IEnumerable<Type> functionClasses)
    {
        _functionClasses = functionClasses;
        using var configuration = new ConfigurationManager();
        FunctionsConfiguration.AddSources(configuration, args);
        _web = WebApplication.CreateEmptyBuilder(new WebApplicationOptions
        {
            ContentRootPath = FunctionsConfiguration.ScriptRoot(configuration),
            EnvironmentName = FunctionsConfiguration.EnvironmentName(configuration),
        });
        FunctionsConfiguration.AddSources(_web.Configuration, args);
        AddLogging();
        AddHosts();
    }

    public ConfigurationManager Configuration => _web.Configuration;

    public IHostEnvironment Environment => _web.Environment;

    public ILoggingBuilder Logging => _web.Logging;

    public IMetricsBuilder Metrics => _web.Metrics;

    public IServiceCollection Services => _web.Services;

    IConfigurationManager IHostApplicationBuilder.Configuration => Configuration;

    IDictionary<object, object> IHostApplicationBuilder.Properties => ((IHostApplicationBuilder)_web).Properties;

    internal bool ServesHttp { get; set; }

    /// <summary>Finds the functions and builds their host.</summary>
    /// <exception cref="InvalidOperationException">A function is declared in a way that cannot run; the message names it.</exception>
    public IHost Build()
    {
        var catalog = FunctionCatalog.Find(_functionClasses, Configuration);
        catalog.RequireNoHttpUnless(ServesHttp);
        Services.AddSingleton(catalog);
        var app = _web.Build();
        HttpEndpoints.Map(app, catalog);
        return app;
    }

    void IHostApplicationBuilder.ConfigureContainer<TContainerBuilder>(
        IServiceProviderFactory<TContainerBuilder> factory, Action<TContainerBuilder>? configure) =>
        ((IHostApplicationBuilder)_web).ConfigureContainer(factory, configure);

    private void AddLogging()
    {
        Logging.SetMinimumLevel(LogLevel.Information);
        Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning).AddFilter("Azure", LogLevel.Warning);
        Logging.AddConfiguration(Configuration.GetSection($"{FunctionsConfiguration.HostJson}:logging"));
        Logging.AddConfiguration(Configuration.GetSection("Logging"));
        Logging.AddSimpleConsole(console => console.SingleLine = true);
    }

    private void AddHosts()
    {
        Services.AddOptions<LocalHostOptions>().BindConfiguration("LocalHost").ValidateDataAnnotations().ValidateOnStart();
        Services.TryAddSingleton(TimeProvider.System);
        Services.AddSingleton<Drain>();
        Services.AddSingleton<FunctionInvoker>();
        Services.AddOptions<HostOptions>().Configure<IOptions<LocalHostOptions>>((host, local) =>
        {
            host.ServicesStopConcurrently = true;
            host.ShutdownTimeout = local.Value.Drain + Drain.TimeToCancel;
        });

        Services.AddOptions<QueuesOptions>().BindConfiguration($"{FunctionsConfiguration.HostJson}:extensions:queues")
            .PostConfigure(queues => queues.PollOftenIn(Environment)).ValidateDataAnnotations().ValidateOnStart();
        Services.AddHostedService<QueueTriggers>();
        Services.AddHostedService<TimerTriggers>();
        HttpEndpoints.Add(_web);
    }
}

/// <summary>Turns on HTTP triggers. The real worker needs this call; so that it is not forgotten, so does this host.</summary>
public static class FunctionsApplicationBuilderExtensions
{
    public static FunctionsApplicationBuilder ConfigureFunctionsWebApplication(this FunctionsApplicationBuilder builder)
    {
        builder.ServesHttp = true;
        return builder;
    }
}
