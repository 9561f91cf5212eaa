using System.Diagnostics;
using Azure;
using Azure.Data.Tables;
using Azure.Identity;
using Azure.Storage.Queues;
using Batch.Jobs.Access;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Configuration;

namespace Batch.Cli.Doctor;

/// <summary>Whether queues, tables and blobs answer, what time they say it is, and what lies in the queues.</summary>
internal static class StorageCheck
{
    private const string Area = "storage";
    private const int Peeked = 8;

    // Tokens and signatures are refused from a quarter of an hour on; events and deadlines are wrong long before.
    private static readonly TimeSpan SmallSkew = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan GreatSkew = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    public static async Task<IReadOnlyList<Finding>> RunAsync(IConfiguration configuration, TimeProvider time, CancellationToken cancellationToken)
    {
        StorageClients clients;
        try
        {
            clients = StorageClients.FromConfiguration(configuration);
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or ArgumentException)
        {
            return [configuration["AzureWebJobsStorage"] is { Length: > 0 }
                ? Finding.Problem(Area, $"AzureWebJobsStorage is no connection string: {e.Message}", "copy it from the portal or `az storage account show-connection-string`, or take AzureWebJobsStorage__accountName instead")
                : Finding.Note(Area, "AzureWebJobsStorage is not set: only `serve` runs without, on an emulator of its own", "set AzureWebJobsStorage__accountName (keyless) or AzureWebJobsStorage (a connection string)")];
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        var services = await Task.WhenAll(
            ReachAsync("queues", clients.Queues.Uri, async () => (await clients.Queues.GetPropertiesAsync(patience.Token)).GetRawResponse(), time),
            ReachAsync("blobs", clients.Blobs.Uri, async () => (await clients.Blobs.GetPropertiesAsync(patience.Token)).GetRawResponse(), time),
            ReachAsync("tables", clients.Tables.Uri, async () => (await clients.Tables.GetPropertiesAsync(patience.Token)).GetRawResponse(), time));
        var findings = services.SelectMany(findings => findings).ToList();
        if (findings.Exists(finding => finding.Severity == Severity.Problem))
        {
            return findings;
        }

        findings.AddRange(await QueuesAsync(clients.Queues, patience.Token));
        if (configuration.GetValue("Access:Required", true) && await HasNoKeyAsync(clients.Tables, patience.Token))
        {
            findings.Add(Finding.Warning(Area, "no API key exists, and every /v1 route asks for one", "`batch keys create --storage ACCOUNT --scopes admin` makes the first"));
        }

        return findings;
    }

    private static async Task<IReadOnlyList<Finding>> ReachAsync(string service, Uri address, Func<Task<Response>> ask, TimeProvider time)
    {
        var started = Stopwatch.GetTimestamp();
        try
        {
            var response = await ask();
            var took = Stopwatch.GetElapsedTime(started);
            return [Finding.Ok(Area, $"{service} answer at {address.Host} in {took.TotalMilliseconds:F0} ms"), .. Clock(response, time.GetUtcNow() - took / 2, service)];
        }
        catch (RequestFailedException e) when (e.Status is 401 or 403)
        {
            return [Finding.Problem(Area, $"{service} at {address.Host} refuse this identity: {e.Status} {e.ErrorCode}", "give the identity the roles of infra/modules/roles.bicep on the account; a new role takes some minutes to hold")];
        }
        catch (Exception e) when (e is RequestFailedException or AggregateException or AuthenticationFailedException or OperationCanceledException)
        {
            var last = e is AggregateException tries ? tries.InnerExceptions[^1] : e; // of several tries
            var why = e is OperationCanceledException ? $"no answer within {Patience.TotalSeconds} s" : last.Message.Split('\n')[0].TrimEnd();
            return [Finding.Problem(Area, $"{service} at {address.Host} do not answer: {why}", "check the account's name, its firewall and private endpoints, and whether you are logged in (az login)")];
        }
    }

    // Its Date header has whole seconds.
    private static IEnumerable<Finding> Clock(Response response, DateTimeOffset here, string service)
    {
        if (response.Headers.Date is { } there && (there - here).Duration() is var skew && skew > SmallSkew)
        {
            var message = $"this machine's clock is {(there < here ? "ahead of" : "behind")} the {service}' by {skew.TotalSeconds:F0} s";
            yield return skew > GreatSkew
                ? Finding.Problem(Area, $"{message}: tokens are refused and deadlines are wrong", "turn time synchronisation on (timedatectl set-ntp true)")
                : Finding.Warning(Area, message, "turn time synchronisation on (timedatectl set-ntp true)");
        }
    }

    private static async Task<IReadOnlyList<Finding>> QueuesAsync(QueueServiceClient account, CancellationToken cancellationToken)
    {
        var findings = new List<Finding>();
        await foreach (var queue in account.GetQueuesAsync(prefix: "batch-", cancellationToken: cancellationToken))
        {
            findings.AddRange(await QueueAsync(account.GetQueueClient(queue.Name), cancellationToken));
        }

        return findings.Count > 0 ? findings : [Finding.Ok(Area, "nothing lies in a poison queue, and every message that waits is base64")];
    }

    private static async Task<IReadOnlyList<Finding>> QueueAsync(QueueClient queue, CancellationToken cancellationToken)
    {
        var findings = new List<Finding>();
        var isPoison = queue.Name.EndsWith("-poison", StringComparison.Ordinal) || queue.Name == JobQueues.FailedJobs;
        if (isPoison && (await queue.GetPropertiesAsync(cancellationToken)).Value.ApproximateMessagesCount is > 0 and var count)
        {
            findings.Add(Finding.Warning(Area, $"{queue.Name} holds {count} messages that were given up", "mend the cause that the jobs name as their error, then `batch replay ID`"));
        }

        try
        {
            await queue.PeekMessagesAsync(Peeked, cancellationToken);
        }
        catch (FormatException)
        {
            // The client decodes as it reads; what is no base64 it does not give.
            findings.Add(Finding.Problem(
                Area, $"{queue.Name} holds a message that is not base64: the host moves it to the poison queue unread", "have the sender encode it: QueueClientOptions.MessageEncoding = Base64"));
        }

        return findings;
    }

    private static async Task<bool> HasNoKeyAsync(TableServiceClient tables, CancellationToken cancellationToken)
    {
        try
        {
            return !await tables.GetTableClient(ApiKeyStore.ApiKeysTable).QueryAsync<TableEntity>(maxPerPage: 1, cancellationToken: cancellationToken).AnyAsync(cancellationToken);
        }
        catch (RequestFailedException e) when (e.Status == 404)
        {
            return true; // no worker has run yet
        }
    }
}
