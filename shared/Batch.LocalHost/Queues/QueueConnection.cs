using Azure.Identity;
using Azure.Storage.Queues;
using Microsoft.Extensions.Configuration;

namespace Batch.LocalHost.Queues;

/// <summary>Reads how to reach queues from settings of the shapes that the Functions host accepts.</summary>
internal static class QueueConnection
{
    /// <summary><paramref name="name"/> is the trigger's Connection: a setting, with or without the prefix AzureWebJobs; null is AzureWebJobsStorage.</summary>
    public static QueueServiceClient Connect(IConfiguration configuration, string? name, QueueClientOptions options)
    {
        var section = Section(configuration, name ?? "Storage");
        if (section.Value is { Length: > 0 } connectionString)
        {
            return new QueueServiceClient(connectionString, options);
        }

        if (section["queueServiceUri"] is { Length: > 0 } uri)
        {
            return new QueueServiceClient(new Uri(uri), Credential(section), options);
        }

        return section["accountName"] is { Length: > 0 } account
            ? new QueueServiceClient(new Uri($"https://{account}.queue.core.windows.net"), Credential(section), options)
            : throw new InvalidOperationException(
                $"No storage account: set {section.Path} to a connection string, or {section.Path}__queueServiceUri or {section.Path}__accountName.");
    }

    private static IConfigurationSection Section(IConfiguration configuration, string name)
    {
        var prefixed = configuration.GetSection($"AzureWebJobs{name}");
        var plain = configuration.GetSection(name);
        return !prefixed.Exists() && plain.Exists() ? plain : prefixed;
    }

    /// <summary>The identity of the machine or developer; <c>__clientId</c> picks a user-assigned one.</summary>
    private static DefaultAzureCredential Credential(IConfigurationSection section) =>
        new(new DefaultAzureCredentialOptions { ManagedIdentityClientId = section["clientId"] });
}
