namespace Batch.Inference.Weights;

/// <summary>How far the loading of a model is, in bytes of its files.</summary>
public readonly record struct LoadProgress(long BytesDone, long BytesTotal)
{
    public int Percent => BytesTotal == 0 ? 0 : (int)(100 * BytesDone / BytesTotal);
}
