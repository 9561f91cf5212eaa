using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;

namespace Batch.Jobs.Runs;

/// <summary>
/// The blob of a run's checkpoint, which is also its lease. It belongs to whoever wrote it last: each write is made under the ETag of the write before, so a
/// run that another has taken over cannot write it any more, and each write renews the lease. How long ago that was is told by storage's own clock, both
/// the blob's last write and now, so no clock of any replica matters.
/// </summary>
/// <param name="blob">Where it lies.</param>
/// <param name="owner">Names this run among all.</param>
internal sealed class RunBlob(BlobClient blob, string owner)
{
    private const string Owner = "owner";
    private const string Released = "released";
    private const string Deaths = "deaths";

    private ETag? _etag;

    /// <summary>What is there, from which later writes go on; null without one.</summary>
    public async Task<RunBlobContent?> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            var response = await blob.DownloadContentAsync(cancellationToken);
            var (details, now) = (response.Value.Details, response.GetRawResponse().Headers.Date);
            _etag = details.ETag;
            return new RunBlobContent(
                response.Value.Content, (now ?? details.LastModified) - details.LastModified, details.Metadata.ContainsKey(Released),
                details.Metadata.TryGetValue(Deaths, out var deaths) ? int.Parse(deaths, null) : 0);
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            _etag = null;
            return null;
        }
    }

    /// <summary>Writes over what this run wrote or read; false, and nothing is written, when another run has the blob.</summary>
    /// <param name="content">The checkpoint.</param>
    /// <param name="released">Nobody runs it from now on: the lease is over.</param>
    /// <param name="deaths">Runs that ended without a word and without progress.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<bool> WriteAsync(BinaryData content, bool released, int deaths, CancellationToken cancellationToken)
    {
        while (true)
        {
            var options = new BlobUploadOptions
            {
                Conditions = _etag is { } known ? new BlobRequestConditions { IfMatch = known } : new BlobRequestConditions { IfNoneMatch = ETag.All },
                Metadata = new Dictionary<string, string> { [Owner] = owner, [Deaths] = $"{deaths}" },
            };
            if (released)
            {
                options.Metadata[Released] = "true";
            }

            try
            {
                _etag = (await blob.UploadAsync(content, options, cancellationToken)).Value.ETag;
                return true;
            }
            catch (RequestFailedException e) when (e.Status is 404 or 409 or 412)
            {
                // A write of our own whose answer was lost, and that was sent again, looks like another's.
                if (await FindOwnAsync(cancellationToken) is not { } own || own == _etag)
                {
                    return false;
                }

                _etag = own;
            }
        }
    }

    /// <summary>Removes what this run wrote, unless another has written since.</summary>
    public async Task DeleteAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (_etag is { } known)
            {
                await blob.DeleteIfExistsAsync(conditions: new BlobRequestConditions { IfMatch = known }, cancellationToken: cancellationToken);
            }
        }
        catch (RequestFailedException e) when (e.Status == 412)
        {
            // It is another's.
        }
    }

    private async Task<ETag?> FindOwnAsync(CancellationToken cancellationToken)
    {
        try
        {
            var properties = (await blob.GetPropertiesAsync(cancellationToken: cancellationToken)).Value;
            return properties.Metadata.TryGetValue(Owner, out var name) && name == owner ? properties.ETag : null;
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            return null;
        }
    }
}

/// <summary>What a run left.</summary>
/// <param name="Content">A checkpoint, or what should be one.</param>
/// <param name="Idle">For how long nobody has written it, by storage's clock.</param>
/// <param name="IsReleased">Its run said that it ended.</param>
/// <param name="Deaths">Runs that did not, one after the other.</param>
internal sealed record RunBlobContent(BinaryData Content, TimeSpan Idle, bool IsReleased, int Deaths);
