using System.Text.Json;
using Azure.Storage.Queues.Models;
using Microsoft.Extensions.Logging;

namespace Batch.Jobs.Telemetry;

/// <summary>Runs what a message asks for within its span, counted and timed, with its job or batch on every log line.</summary>
public sealed class QueueConsumer(TimeProvider time, ILogger<QueueConsumer> logger)
{
    public async Task RunAsync(
        string queue, QueueMessage message, Func<QueueMessage, CancellationToken, Task> process, CancellationToken cancellationToken)
    {
        var names = NamesIn(message.Body);
        using var span = Messages.Process(queue, names.GetValueOrDefault("traceparent"), message.MessageId, message.DequeueCount);
        using var scope = logger.BeginScope(ScopeOf(queue, names));
        var started = time.GetTimestamp();
        Exception? failure = null;
        try
        {
            await process(message, cancellationToken);
        }
        catch (Exception e)
        {
            failure = e;
            span.Fail(e);
            throw;
        }
        finally
        {
            Messages.Processed(queue, time.GetElapsedTime(started), failure);
        }
    }

    // What the message names at its top level; a submission that is the message has no id before it is taken in.
    private static Dictionary<string, string> NamesIn(BinaryData body)
    {
        var names = new Dictionary<string, string>(StringComparer.Ordinal);
        var json = new Utf8JsonReader(body.ToMemory().Span);
        try
        {
            while (json.Read() && names.Count < 16)
            {
                if (json is { TokenType: JsonTokenType.PropertyName, CurrentDepth: 1 } && json.GetString() is { } name && json.Read())
                {
                    if (json.TokenType == JsonTokenType.String && json.ValueSpan.Length <= 128)
                    {
                        names[name] = json.GetString()!;
                    }

                    json.Skip();
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Not JSON, or text that is not Unicode: who reads the message says so.
        }

        return names;
    }

    private static List<KeyValuePair<string, object?>> ScopeOf(string queue, Dictionary<string, string> names)
    {
        var scope = new List<KeyValuePair<string, object?>> { new("Queue", queue) };
        if (names.GetValueOrDefault("jobId") is { } job)
        {
            scope.Add(new("JobId", job));
        }

        if ((names.GetValueOrDefault("batch") ?? names.GetValueOrDefault("batchId") ?? names.GetValueOrDefault("validate")) is { } batch)
        {
            scope.Add(new("BatchId", batch));
        }

        return scope;
    }
}
