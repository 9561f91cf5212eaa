using System.ComponentModel.DataAnnotations;
using Azure.Storage.Queues;
using Microsoft.Extensions.Hosting;

namespace Batch.LocalHost.Queues;

/// <summary>host.json's <c>extensions.queues</c>, with the defaults of the real host.</summary>
internal sealed class QueuesOptions
{
    /// <summary>Messages per fetch.</summary>
    [Range(1, 32)]
    public int BatchSize { get; set; } = 16;

    /// <summary>The next fetch waits until no more than this many are in flight, so at most BatchSize + NewBatchThreshold ever are.</summary>
    [Range(0, int.MaxValue)]
    public int? NewBatchThreshold { get; set; }

    /// <summary>How often a message is tried before it moves to the poison queue.</summary>
    [Range(1, int.MaxValue)]
    public int MaxDequeueCount { get; set; } = 5;

    /// <summary>How long a message stays hidden after a failure. Not the lock.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "7.00:00:00")]
    public TimeSpan VisibilityTimeout { get; set; }

    /// <summary>How long, at most, an empty queue is left alone.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "1.00:00:00")]
    public TimeSpan MaxPollingInterval { get; set; } = TimeSpan.FromMinutes(1);

    public QueueMessageEncoding MessageEncoding { get; set; } = QueueMessageEncoding.Base64;

    /// <summary>Someone who waits at the keyboard is not left waiting for an empty queue's next turn. The real host does the same.</summary>
    internal void PollOftenIn(IHostEnvironment environment)
    {
        if (environment.IsDevelopment())
        {
            MaxPollingInterval = TimeSpan.FromSeconds(2);
        }
    }

    internal int FetchAt => NewBatchThreshold ?? BatchSize / 2 * Environment.ProcessorCount;
}
