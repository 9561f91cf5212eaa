using Azure.Monitor.OpenTelemetry.Exporter;
using Batch.Jobs.Storage;
using Batch.Jobs.Telemetry;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker.Builder;
using Microsoft.Azure.Functions.Worker.OpenTelemetry;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry;
using OpenTelemetry.Trace;

namespace Batch.Functions;

/// <summary>
/// Sends traces, metrics and logs where the settings say: by OTLP with <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>, which OpenTelemetry's other variables refine, and to
/// Application Insights with <c>APPLICATIONINSIGHTS_CONNECTION_STRING</c>. Without either nothing is recorded, and a span costs one comparison.
/// </summary>
public static class TelemetryExport
{
    /// <summary>Whose spans are recorded: Batch's, and those of requests that come in and go out.</summary>
    public static TracerProviderBuilder Record(TracerProviderBuilder traces) =>
        traces.AddSource(MetricNames.Meter).AddAspNetCoreInstrumentation(requests => requests.Filter = IsNoProbe).AddHttpClientInstrumentation();

    public static void Add(FunctionsApplicationBuilder builder)
    {
        var sendsOtlp = IsSet("OTEL_EXPORTER_OTLP_ENDPOINT");
        var sendsAzure = IsSet("APPLICATIONINSIGHTS_CONNECTION_STRING");
        if (!sendsOtlp && !sendsAzure)
        {
            return;
        }

        var telemetry = builder.Services.AddOpenTelemetry().UseFunctionsWorkerDefaults()
            .WithTracing(traces => Record(traces))
            .WithMetrics(metrics => metrics.AddMeter(MetricNames.Meter, "Microsoft.AspNetCore.Hosting", "System.Net.Http", "System.Runtime"))
            .WithLogging(null, logs => (logs.IncludeScopes, logs.IncludeFormattedMessage) = (true, true));
        if (sendsOtlp)
        {
            telemetry.UseOtlpExporter();
        }

        if (sendsAzure)
        {
            // Keyless where the platform says so, as the Functions host does.
            telemetry.UseAzureMonitorExporter(monitor => monitor.Credential =
                builder.Configuration["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]?.Contains("Authorization=AAD", StringComparison.OrdinalIgnoreCase) == true
                    ? AzureCredential.FromConfiguration(builder.Configuration)
                    : null);
        }

        bool IsSet(string name) => !string.IsNullOrEmpty(builder.Configuration[name]);
    }

    private static bool IsNoProbe(HttpContext http) => !http.Request.Path.StartsWithSegments("/health");
}
