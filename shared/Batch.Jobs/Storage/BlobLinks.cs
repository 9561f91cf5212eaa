using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using Azure.Storage.Sas;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Storage;

/// <summary>
/// Addresses by which a caller reads one blob for a time without an identity of its own: signed with a user delegation key where the account
/// is reached by identity, with the account's key where there is a connection string. Nobody can take one back before its time is over.
/// </summary>
public sealed class BlobLinks(StorageClients clients, IOptions<JobsOptions> options, TimeProvider time) : IDisposable
{
    // Clocks differ, and a link must hold at once.
    private static readonly TimeSpan Skew = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan KeyLife = TimeSpan.FromDays(1);

    private readonly SemaphoreSlim _one = new(1);
    private UserDelegationKey? _key;

    /// <summary>The blob's address, signed for <c>Jobs:LinkMinutes</c>; unsigned where that is 0.</summary>
    public async Task<Uri> ToAsync(BlobBaseClient blob, CancellationToken cancellationToken)
    {
        if (options.Value.LinkMinutes == 0)
        {
            return blob.Uri;
        }

        var now = time.GetUtcNow();
        var end = now.AddMinutes(options.Value.LinkMinutes);
        var sas = new BlobSasBuilder(BlobSasPermissions.Read, end) { BlobContainerName = blob.BlobContainerName, BlobName = blob.Name, Resource = "b", StartsOn = now - Skew };
        if (blob.CanGenerateSasUri)
        {
            return blob.GenerateSasUri(sas);
        }

        var key = await KeyAsync(now, end, cancellationToken);
        return blob.GenerateUserDelegationSasUri(sas, key);
    }

    public void Dispose() => _one.Dispose();

    // One key signs the links of a day; a request for each link would cost more than the link.
    private async Task<UserDelegationKey> KeyAsync(DateTimeOffset now, DateTimeOffset end, CancellationToken cancellationToken)
    {
        await _one.WaitAsync(cancellationToken);
        try
        {
            if (_key is null || _key.SignedExpiresOn < end)
            {
                var asked = new BlobGetUserDelegationKeyOptions(now + KeyLife + TimeSpan.FromMinutes(options.Value.LinkMinutes)) { StartsOn = now - Skew };
                _key = await clients.Blobs.GetUserDelegationKeyAsync(asked, cancellationToken);
            }

            return _key;
        }
        finally
        {
            _one.Release();
        }
    }
}
