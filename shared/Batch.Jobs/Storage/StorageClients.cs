using Azure.Data.Tables;
using Azure.Storage.Blobs;
using Azure.Storage.Queues;
using Microsoft.Extensions.Configuration;

namespace Batch.Jobs.Storage;

/// <summary>The three clients of one storage account.</summary>
public sealed record StorageClients(TableServiceClient Tables, BlobServiceClient Blobs, QueueServiceClient Queues)
{
    /// <summary>The queues without decoding: what is no base64 can be read by it alone.</summary>
    public QueueServiceClient? Raw { get; init; }

    internal const string Connection = "AzureWebJobsStorage";

    /// <summary>The Functions host reads base64 (host.json, messageEncoding); the client's own default is none.</summary>
    public static QueueClientOptions QueueOptions => new() { MessageEncoding = QueueMessageEncoding.Base64 };

    /// <summary>
    /// From the connection string <c>AzureWebJobsStorage</c>, or keyless from <c>AzureWebJobsStorage__accountName</c> (or
    /// <c>__tableServiceUri</c>, <c>__blobServiceUri</c>, <c>__queueServiceUri</c>) with <see cref="AzureCredential"/>: the same
    /// settings as the Functions host reads.
    /// </summary>
    public static StorageClients FromConfiguration(IConfiguration configuration)
    {
        var section = configuration.GetSection(Connection);
        if (section.Value is { Length: > 0 } connectionString)
        {
            return new(new(connectionString), new(connectionString), new(connectionString, QueueOptions)) { Raw = new(connectionString) };
        }

        var credential = AzureCredential.FromConfiguration(configuration);
        return new(
            new(Endpoint(section, "table"), credential), new(Endpoint(section, "blob"), credential),
            new(Endpoint(section, "queue"), credential, QueueOptions))
        {
            Raw = new(Endpoint(section, "queue"), credential),
        };
    }

    private static Uri Endpoint(IConfigurationSection section, string service)
    {
        if (section[$"{service}ServiceUri"] is { Length: > 0 } uri)
        {
            return new Uri(uri);
        }

        return section["accountName"] is { Length: > 0 } account
            ? new Uri($"https://{account}.{service}.core.windows.net")
            : throw new InvalidOperationException(
                $"{Connection} is not set: give a connection string, {Connection}__accountName, or {Connection}__{service}ServiceUri");
    }
}
