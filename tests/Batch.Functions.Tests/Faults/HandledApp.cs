using System.Reflection;
using System.Text;
using System.Text.Json;
using Azure.Core;
using Azure.Data.Tables;
using Azure.Storage.Blobs;
using Azure.Storage.Queues;
using Azure.Storage.Queues.Models;
using Batch.Jobs;
using Batch.Jobs.Storage;
using Batch.Jobs.Tests;
using Batch.Jobs.Webhooks;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;

namespace Batch.Functions.Tests.Faults;

/// <summary>
/// The application as Program.cs builds it, with the test for its host: every message, timer and request is handed in one at a time, to whichever function
/// its attributes name. So a kill is exact, and what a new function does is exercised without being named here.
/// </summary>
internal sealed class HandledApp(string connectionString, FakeTimeProvider time, StorageFault fault, HttpMessageHandler receiver) : IAsyncDisposable
{
    // As host.json has it.
    private const int MostDeliveries = 5;

    private static readonly MethodInfo[] Functions =
        [.. typeof(Program).Assembly.GetTypes().SelectMany(type => type.GetMethods()).Where(method => method.GetCustomAttribute<FunctionAttribute>() is not null)];

    private readonly string _connectionString = connectionString;
    private readonly StorageClients _host = ClientsOf(connectionString, null);
    private IHost? _app;
    private CancellationTokenSource? _running;

    /// <summary>What the last request that was answered with 500 died of.</summary>
    public Exception? LastError { get; private set; }

    public ScriptedEngine Engine { get; } = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>What the test looks at storage with: no faults.</summary>
    public StorageClients Storage => _host;

    public FakeTimeProvider Time => time;

    /// <summary>Ends the invocation that runs, as the host does when it shuts down.</summary>
    public void Preempt() => _running?.Cancel();

    /// <summary>A fresh process, as after a kill.</summary>
    public async Task StartAsync()
    {
        await StopAsync();
        _app = Program.BuildHost(
            [$"--AzureWebJobsStorage={_connectionString}", "--Engine:ModelPath=/models/scripted", "--Access:Required=false", "--Webhooks:Secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "--Logging:LogLevel:Default=None"],
            services =>
            {
                services.AddSingleton(Options.Create(new JobsOptions { LeaseSeconds = 0 })); // a lease goes by storage's clock, which the test does not move
                services.AddSingleton(ClientsOf(_connectionString, fault)).AddSingleton<TimeProvider>(time).AddSingleton<EngineLoader>((_, _) => Engine);
                services.AddHttpClient<WebhookCalls>().ConfigurePrimaryHttpMessageHandler(() => receiver).SetHandlerLifetime(Timeout.InfiniteTimeSpan);
            });
        await new StorageSetup(_host).StartingAsync(Cancellation);
        await _app.Services.GetRequiredService<EngineHost>().StartAsync(Cancellation);
        await _app.Services.GetRequiredService<EngineHost>().GetAsync(Cancellation);
    }

    /// <summary>Answers a request as the named function does: status and body. What it throws is a 500.</summary>
    public async Task<(int Status, JsonElement Body)> CallAsync(string function, string body = "", string? id = null, string? key = null, string type = "application/json", string? delivery = null)
    {
        var http = new DefaultHttpContext { RequestServices = _app!.Services };
        http.Request.Method = "POST";
        http.Request.ContentType = type;
        http.Request.Body = new MemoryStream(Encoding.UTF8.GetBytes(body));
        http.Response.Body = new MemoryStream();
        if (key is not null)
        {
            http.Request.Headers["Idempotency-Key"] = key;
        }

        try
        {
            var method = Functions.Single(each => each.GetCustomAttribute<FunctionAttribute>()!.Name == function);
            var result = await (Task<IResult>)Invoke(method, parameter => parameter.ParameterType == typeof(HttpRequest) ? http.Request : parameter.Name == "delivery" ? delivery : id);
            await result.ExecuteAsync(http);
        }
        catch (Exception e) when (e is not Xunit.Sdk.XunitException)
        {
            LastError = e;
            return (500, default);
        }

        var answer = ((MemoryStream)http.Response.Body).ToArray();
        return (http.Response.StatusCode, answer.Length == 0 ? default : JsonDocument.Parse(answer).RootElement);
    }

    /// <summary>
    /// Hands in what waits, queue after queue, and the timers, until nothing moves or a kill comes; says whether one came. A message whose function throws is
    /// handed in again and goes to the poison queue in the end.
    /// </summary>
    /// <param name="twice">Hands in every message twice, as a lock that ran out does.</param>
    /// <param name="shuffle">Takes messages in an order of its own; null leaves theirs.</param>
    public async Task<bool> PumpAsync(bool twice = false, int? shuffle = null)
    {
        var order = shuffle is { } seed ? new Random(seed) : null;
        for (var (idle, rounds) = (0, 0); idle < 3 && rounds < 60; rounds++)
        {
            var moved = 0;
            foreach (var (method, queue) in Triggers<QueueTriggerAttribute>().Select(each => (each.Method, each.Trigger.QueueName)))
            {
                if (await DeliverAsync(method, queue, twice, order) is not { } delivered)
                {
                    return true;
                }

                moved += delivered;
            }

            foreach (var (method, _) in Triggers<TimerTriggerAttribute>())
            {
                if (await RunAsync(method, parameter => new TimerInfo()) is KilledException)
                {
                    return true;
                }
            }

            time.Advance(TimeSpan.FromMinutes(3)); // claims of a dead process run out, delays pass
            idle = moved == 0 ? idle + 1 : 0;
        }

        return false;
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    public async Task StopAsync()
    {
        if (_app is not null)
        {
            await _app.Services.GetRequiredService<EngineHost>().StopAsync(CancellationToken.None);
            await ((IAsyncDisposable)_app).DisposeAsync();
            _app = null;
        }
    }

    private async Task<int?> DeliverAsync(MethodInfo method, string name, bool twice, Random? order)
    {
        var queue = _host.Queues.GetQueueClient(name);
        if (!await queue.ExistsAsync(Cancellation))
        {
            return 0; // a poison queue that nothing went to
        }

        QueueMessage[] messages = (await queue.ReceiveMessagesAsync(32, TimeSpan.FromMinutes(10), Cancellation)).Value;
        order?.Shuffle(messages);
        for (var i = 0; i < messages.Length; i++)
        {
            var message = messages[i];
            var thrown = await RunAsync(method, _ => message);
            thrown = thrown is null && twice ? await RunAsync(method, _ => message) : thrown;
            switch (thrown)
            {
                case null:
                    await queue.DeleteMessageAsync(message.MessageId, message.PopReceipt, Cancellation);
                    break;
                case KilledException:
                    foreach (var held in messages[i..])
                    {
                        await queue.UpdateMessageAsync(held.MessageId, held.PopReceipt, held.Body, TimeSpan.Zero, Cancellation);
                    }

                    return null;
                case not null when message.DequeueCount >= MostDeliveries:
                    var poison = _host.Queues.GetQueueClient($"{name}-poison");
                    await poison.CreateIfNotExistsAsync(cancellationToken: Cancellation);
                    await poison.SendMessageAsync(message.Body, cancellationToken: Cancellation);
                    await queue.DeleteMessageAsync(message.MessageId, message.PopReceipt, Cancellation);
                    break;
                default:
                    await queue.UpdateMessageAsync(message.MessageId, message.PopReceipt, message.Body, TimeSpan.Zero, Cancellation);
                    break;
            }
        }

        return messages.Length;
    }

    private async Task<Exception?> RunAsync(MethodInfo method, Func<ParameterInfo, object?> bind)
    {
        try
        {
            await Invoke(method, bind);
            return null;
        }
        catch (Exception e)
        {
            return e.InnerException is KilledException killed ? killed : e;
        }
    }

    private Task Invoke(MethodInfo method, Func<ParameterInfo, object?> bind)
    {
        _running?.Dispose();
        _running = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var function = ActivatorUtilities.CreateInstance(_app!.Services, method.DeclaringType!);
        return (Task)method.Invoke(function, [.. method.GetParameters().Select(parameter => parameter.ParameterType == typeof(CancellationToken) ? _running.Token : bind(parameter))])!;
    }

    private static IEnumerable<(MethodInfo Method, T Trigger)> Triggers<T>()
        where T : Attribute =>
        from method in Functions
        from parameter in method.GetParameters()
        let trigger = parameter.GetCustomAttribute<T>()
        where trigger is not null
        select (method, trigger);

    private static StorageClients ClientsOf(string connectionString, StorageFault? fault)
    {
        return new StorageClients(
            new TableServiceClient(connectionString, With(new TableClientOptions())), new BlobServiceClient(connectionString, With(new BlobClientOptions())), new QueueServiceClient(connectionString, With(StorageClients.QueueOptions)));

        T With<T>(T options)
            where T : ClientOptions
        {
            options.Retry.MaxRetries = fault is null ? 3 : 0;
            if (fault is not null)
            {
                options.AddPolicy(fault, HttpPipelinePosition.PerCall);
            }

            return options;
        }
    }
}
