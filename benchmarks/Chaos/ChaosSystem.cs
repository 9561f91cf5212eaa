using System.Diagnostics;
using System.Text.Json;
using Azure.Storage.Queues;
using Batch.Jobs.Storage;
using Batch.LocalHost.Emulator;

namespace Batch.Benchmarks.Chaos;

/// <summary>Replicas over an emulator of their own, and a client.</summary>
internal sealed class ChaosSystem : IAsyncDisposable
{
    // After the faults: longer than any lock and any back-off that a message may wait for.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(6);

    private readonly string _folder;
    private readonly StorageProxy _proxy;
    private readonly Replica[] _replicas;
    private readonly HttpClient[] _clients;
    private Azurite? _storage;
    private readonly List<string> _endpoints = []; // the second wants no more
    private int _next;

    private ChaosSystem(string folder, Azurite storage, string model, int replicas)
    {
        (_folder, _storage, _proxy) = (folder, storage, new StorageProxy(storage.ConnectionString));
        _replicas = [.. Enumerable.Range(0, replicas).Select(i => new Replica(_proxy.ConnectionString, model, Path.Combine(folder, $"replica-{i}.log")))];
        _clients = [.. _replicas.Select(replica => new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromSeconds(5) }) { BaseAddress = replica.Address, Timeout = TimeSpan.FromSeconds(15) })];
    }

    /// <summary>Tokens drawn by all processes of all replicas.</summary>
    public long Tokens => _replicas.Sum(replica => replica.Tokens);

    public static async Task<ChaosSystem> StartAsync(string folder, string model, int replicas)
    {
        Directory.CreateDirectory(folder);
        var system = new ChaosSystem(folder, await Azurite.StartAsync(Path.Combine(folder, "azurite"), CancellationToken.None), model, replicas);
        Array.ForEach(system._replicas, replica => replica.Start());
        return system;
    }

    /// <summary>Takes the emulator over, to stop and start it.</summary>
    public ChaosFaults Faults(Random random)
    {
        var faults = new ChaosFaults(_replicas, _proxy, new QueueClient(_proxy.ConnectionString, JobQueues.Jobs, StorageClients.QueueOptions), Path.Combine(_folder, "azurite"), random);
        faults.Use(_storage!);
        _storage = null;
        return faults;
    }

    /// <summary>Hands everything in over a time and waits until all of it has ended, or patience has; the batch's id.</summary>
    public async Task<string> RunAsync(ChaosWork work, List<string>? submitted, TimeSpan over, CancellationToken cancellationToken, Uri? receiver = null, Task? disturbing = null)
    {
        foreach (var path in receiver is null ? Array.Empty<string>() : [WebhookReceiver.Endpoint, WebhookReceiver.NoMore])
        {
            _endpoints.Add(await ChaosWork.MakeEndpointAsync(Next, new Uri(receiver!, path).AbsoluteUri, cancellationToken));
        }

        var webhook = receiver is null ? null : new Uri(receiver, WebhookReceiver.Hook).AbsoluteUri;
        var batch = await work.SubmitBatchAsync(Next, cancellationToken);
        for (var i = 0; i < work.Jobs; i++)
        {
            await work.SubmitAsync(Next, i, webhook, cancellationToken);
            if (submitted is not null)
            {
                lock (submitted)
                {
                    submitted.Add(ChaosWork.IdOf(i));
                }
            }

            await Task.Delay(over / work.Jobs, cancellationToken);
        }

        await (disturbing ?? Task.CompletedTask);
        var waited = Stopwatch.StartNew();
        while (waited.Elapsed < Patience && !(await IsOverAsync(work, batch, cancellationToken)))
        {
            await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken);
        }

        return batch;
    }

    /// <summary>The texts of the jobs and of the batch's lines, in their order.</summary>
    public async Task<(IReadOnlyList<string> Jobs, IReadOnlyList<string> Lines)> TextsAsync(ChaosWork work, string batch, CancellationToken cancellationToken)
    {
        var texts = new List<string>();
        for (var i = 0; i < work.Jobs; i++)
        {
            texts.Add(JsonDocument.Parse(await ChaosWork.GetAsync(Next, $"v1/jobs/{ChaosWork.IdOf(i)}", cancellationToken)).RootElement.GetProperty("text").GetString()!);
        }

        var row = JsonDocument.Parse(await ChaosWork.GetAsync(Next, $"v1/batches/{batch}", cancellationToken)).RootElement;
        var lines = (await ChaosWork.GetAsync(Next, $"v1/files/{row.GetProperty("output_file_id").GetString()}/content", cancellationToken)).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement).ToDictionary(line => line.GetProperty("custom_id").GetString()!, ChaosWork.TextOfBatchLine);
        return (texts, [.. Enumerable.Range(0, work.Lines).Select(i => lines[$"line-{i}"])]);
    }

    public Task<ChaosOutcome> OutcomeAsync(ChaosWork work, string batch, IReadOnlyList<string> texts, IReadOnlyList<string> lineTexts, WebhookReceiver receiver, CancellationToken cancellationToken) =>
        ChaosOutcome.ReadAsync(Next, work, batch, _proxy.ConnectionString, texts, lineTexts, receiver, _endpoints[1], cancellationToken);

    public async ValueTask DisposeAsync()
    {
        foreach (var replica in _replicas)
        {
            await replica.DisposeAsync();
        }

        Array.ForEach(_clients, client => client.Dispose());
        await _proxy.DisposeAsync();
        if (_storage is not null)
        {
            await _storage.DisposeAsync();
            _storage = null;
        }
    }

    private HttpClient Next() => _clients[(uint)Interlocked.Increment(ref _next) % (uint)_clients.Length];

    private async Task<bool> IsOverAsync(ChaosWork work, string batch, CancellationToken cancellationToken)
    {
        for (var i = work.Jobs - 1; i >= 0; i--)
        {
            var job = JsonDocument.Parse(await ChaosWork.GetAsync(Next, $"v1/jobs/{ChaosWork.IdOf(i)}", cancellationToken)).RootElement;
            var isTold = !job.TryGetProperty("webhook", out var webhook) || webhook.ValueKind == JsonValueKind.Null || webhook.GetProperty("status").GetString() is "delivered" or "failed";
            if (job.GetProperty("status").GetString() is "queued" or "running" || !isTold)
            {
                return false;
            }
        }

        var row = JsonDocument.Parse(await ChaosWork.GetAsync(Next, $"v1/batches/{batch}", cancellationToken)).RootElement;
        return row.GetProperty("status").GetString() is "completed" or "failed" or "expired" or "cancelled" && await AreToldAsync(cancellationToken);
    }

    private async Task<bool> AreToldAsync(CancellationToken cancellationToken)
    {
        foreach (var endpoint in _endpoints)
        {
            var pending = JsonDocument.Parse(await ChaosWork.GetAsync(Next, $"v1/webhook_endpoints/{endpoint}/deliveries?status=pending&limit=1", cancellationToken)).RootElement;
            if (pending.GetProperty("data").GetArrayLength() > 0)
            {
                return false;
            }
        }

        return true;
    }
}
