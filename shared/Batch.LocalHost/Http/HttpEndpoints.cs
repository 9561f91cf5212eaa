using System.Net;
using Batch.LocalHost.Functions;
using Batch.LocalHost.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Batch.LocalHost.Http;

/// <summary>Serves the routes of HTTP-triggered functions on the loopback address.</summary>
internal static class HttpEndpoints
{
    // The Functions host's own setting and default, in bytes.
    private const string BodyLimit = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT";
    private const long DefaultBodyLimit = 104_857_600;

    public static void Add(WebApplicationBuilder builder)
    {
        builder.WebHost.UseKestrelCore();
        builder.Services.AddRouting();
        builder.Services.AddOptions<KestrelServerOptions>().Configure<IOptions<LocalHostOptions>, IConfiguration>((kestrel, local, configuration) =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = configuration.GetValue(BodyLimit, DefaultBodyLimit);
            kestrel.Listen(IPAddress.Loopback, local.Value.Port);
        });

        // A page in the developer's browser must not reach the functions by a name that it made point here.
        builder.Services.AddHostFiltering(hosts =>
            hosts.AllowedHosts = (builder.Configuration["AllowedHosts"] ?? "localhost;127.0.0.1;[::1]").Split(';'));
    }

    public static void Map(WebApplication app, FunctionCatalog catalog)
    {
        app.UseHostFiltering();
        var key = new FunctionKey(app.Services.GetRequiredService<IOptions<LocalHostOptions>>().Value.FunctionKey);
        var prefix = app.Configuration[$"{FunctionsConfiguration.HostJson}:extensions:http:routePrefix"] ?? "api";
        foreach (var function in catalog.Http)
        {
            var trigger = (HttpTriggerAttribute)function.Trigger;
            var endpoint = ActivatorUtilities.CreateInstance<HttpEndpoint>(app.Services, function, key);
            var route = $"{prefix}/{HttpBinding.Route(function)}".Trim('/');
            var mapped = trigger.Methods.Length == 0
                ? app.Map(route, endpoint.RunAsync)
                : app.MapMethods(route, trigger.Methods.Select(method => method.ToUpperInvariant()), endpoint.RunAsync);
            mapped.WithDisplayName(function.Name);
        }
    }
}
