using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Batches;

/// <summary>
/// The addresses that callers name: a webhook that could be reached, and blobs, by their address in this account or as
/// <c>container/name</c>, only in the containers set aside for it.
/// </summary>
public sealed class BatchAddresses(
    StorageClients clients, IOptions<JobsOptions> jobs, IOptions<BatchOptions> batches, IOptions<WebhookOptions> webhooks)
{
    /// <summary>The request with its blobs as <c>container/name</c>.</summary>
    internal BatchRequest Resolve(BatchRequest request)
    {
        webhooks.Value.Require(request.WebhookUrl);
        return request with
        {
            InputBlob = request.InputBlob is { } input ? Resolve(input, "input_blob", jobs.Value.AllowsContainer, jobs.Value.InputContainers, needsName: true) : null,
            OutputFolder = request.OutputFolder is { } folder
                ? Resolve(folder, "output_folder", batches.Value.AllowsOutput, batches.Value.OutputContainers, needsName: false)
                : null,
        };
    }

    internal string UrlOf(string path) => $"{clients.Blobs.Uri.AbsoluteUri.TrimEnd('/')}/{path}";

    private string Resolve(string address, string param, Func<string, bool> allows, string containers, bool needsName)
    {
        var account = clients.Blobs.Uri.AbsoluteUri.TrimEnd('/') + "/";
        var path = (address.StartsWith(account, StringComparison.OrdinalIgnoreCase) ? address[account.Length..] : address).Trim('/');
        var slash = path.IndexOf('/', StringComparison.Ordinal);
        var container = slash < 0 ? path : path[..slash];
        return container.Length > 0 && (slash > 0 || !needsName) && !path.Contains("://", StringComparison.Ordinal) && !path.Contains('?', StringComparison.Ordinal)
            && BlobAddress.StaysInside(path)
            ? allows(container)
                ? path
                : throw new InvalidJobException(
                    JobErrorCode.InputNoPermissions, $"{param} must lie in one of the containers {containers}, was in {JsonField.Quote(container)}", param)
            : throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"{param} must be an address below {account} or container/name, without . and .. as parts, was {JsonField.Quote(address)}", param);
    }
}
