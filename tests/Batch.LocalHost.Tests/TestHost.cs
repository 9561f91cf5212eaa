using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Batch.LocalHost.Tests;

/// <summary>A host that runs the functions of one class, quietly.</summary>
internal static class TestHost
{
    public static async Task<IHost> StartAsync<TFunctions>(IEnumerable<string> settings, params object[] singletons)
    {
        var host = Build<TFunctions>(settings, singletons);
        await host.StartAsync(TestContext.Current.CancellationToken);
        return host;
    }

    public static IHost Build<TFunctions>(IEnumerable<string> settings, params object[] singletons) =>
        Build([typeof(TFunctions)], settings, singletons);

    public static IHost Build(Type[] classes, IEnumerable<string> settings, params object[] singletons)
    {
        string[] quiet = ["--Logging:LogLevel:Default=None"];
        var builder = FunctionsApplication.CreateBuilder([.. quiet, .. settings], classes);
        builder.ConfigureFunctionsWebApplication();
        foreach (var singleton in singletons)
        {
            builder.Services.AddSingleton(singleton is TimeProvider ? typeof(TimeProvider) : singleton.GetType(), singleton);
        }

        return builder.Build();
    }
}
