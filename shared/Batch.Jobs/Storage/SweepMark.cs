using Azure;
using Azure.Data.Tables;

namespace Batch.Jobs.Storage;

/// <summary>One row in table <c>jobs</c>: every job made before <see cref="At"/> has been looked at. No job's partition has its space.</summary>
public sealed record SweepMark : ITableEntity
{
    public const string Partition = "the sweep";
    public const string Row = "mark";

    public string PartitionKey { get; set; } = Partition;
    public string RowKey { get; set; } = Row;
    public DateTimeOffset? Timestamp { get; set; }
    public ETag ETag { get; set; }
    public DateTimeOffset At { get; set; }
}
