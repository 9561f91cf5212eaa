using Azure.Core;
using Azure.Identity;
using Microsoft.Extensions.Configuration;

namespace Batch.Jobs.Storage;

/// <summary>The one identity that this process has in Azure.</summary>
public static class AzureCredential
{
    /// <summary>
    /// From <c>AzureWebJobsStorage__credential</c> (<c>managedidentity</c>) and <c>__clientId</c>, as the Functions host reads them; without,
    /// what the environment offers.
    /// </summary>
    public static TokenCredential FromConfiguration(IConfiguration configuration)
    {
        var section = configuration.GetSection(StorageClients.Connection);
        return (section["credential"], section["clientId"]) switch
        {
            ("managedidentity", { Length: > 0 } clientId) => new ManagedIdentityCredential(
                ManagedIdentityId.FromUserAssignedClientId(clientId)),
            ("managedidentity", _) => new ManagedIdentityCredential(ManagedIdentityId.SystemAssigned),
            (_, { Length: > 0 } clientId) => new DefaultAzureCredential(
                new DefaultAzureCredentialOptions { ManagedIdentityClientId = clientId }),
            _ => new DefaultAzureCredential(),
        };
    }
}
