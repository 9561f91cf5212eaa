using OpenTelemetry;

namespace Microsoft.Azure.Functions.Worker.OpenTelemetry;

/// <summary>What the worker's own package adds: there, that spans of the host and of the worker are of one trace. Here both are one process.</summary>
public static class OpenTelemetryExtensions
{
    public static IOpenTelemetryBuilder UseFunctionsWorkerDefaults(this IOpenTelemetryBuilder builder) => builder;
}
