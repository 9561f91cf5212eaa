using System.Buffers.Binary;
using System.Text.Json.Serialization;

namespace Batch.Jobs.Batches;

/// <summary>Some neighbouring lines of a batch's input: where they lie in the copy, and how many tokens they may take.</summary>
internal readonly record struct Slice(long Offset, int Length, int FirstLine, int Lines, long Tokens)
{
    /// <summary>Bytes of a slice in the index blob, which can so be read from any slice on.</summary>
    public const int Size = 28;

    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteInt64LittleEndian(to, Offset);
        BinaryPrimitives.WriteInt32LittleEndian(to[8..], Length);
        BinaryPrimitives.WriteInt32LittleEndian(to[12..], FirstLine);
        BinaryPrimitives.WriteInt32LittleEndian(to[16..], Lines);
        BinaryPrimitives.WriteInt64LittleEndian(to[20..], Tokens);
    }

    public static Slice Read(ReadOnlySpan<byte> from) => new(
        BinaryPrimitives.ReadInt64LittleEndian(from),
        BinaryPrimitives.ReadInt32LittleEndian(from[8..]),
        BinaryPrimitives.ReadInt32LittleEndian(from[12..]),
        BinaryPrimitives.ReadInt32LittleEndian(from[16..]),
        BinaryPrimitives.ReadInt64LittleEndian(from[20..]));
}

/// <summary>What waits on <c>batch-lines</c>: a slice to run, with all that is needed to find it.</summary>
internal sealed record SliceMessage(
    [property: JsonPropertyName("tenant")] string Tenant,
    [property: JsonPropertyName("batch")] string BatchId,
    [property: JsonPropertyName("slice")] int Number,
    [property: JsonPropertyName("at")] Slice Slice,
    [property: JsonPropertyName("traceparent")] string? Traceparent = null);

/// <summary>What waits on <c>batch-dispatch</c>: a batch to validate, or the dispatcher's next turn.</summary>
internal sealed record DispatchMessage(
    [property: JsonPropertyName("tenant")] string? Tenant = null,
    [property: JsonPropertyName("validate")] string? Validate = null,
    [property: JsonPropertyName("turn")] long? Turn = null,
    [property: JsonPropertyName("traceparent")] string? Traceparent = null);
