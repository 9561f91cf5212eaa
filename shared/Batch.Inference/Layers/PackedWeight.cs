using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Batch.Inference.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>
/// A weight packed into tiles of 32 outputs, each of which is read from memory straight through: as it is, or rounded to 8 bits with a scale for each output. Where the
/// processor does not multiply what is stored, it becomes what it does, exactly, in its registers or, a piece at a time, in its cache. A row's product is bit for bit the same whatever rows share the call.
/// </summary>
internal abstract unsafe class PackedWeight(int inputs, int outputs, ScalarType dtype)
{
    public const int Tile = 32;

    public int Inputs => inputs;

    public int Outputs => outputs;

    public int Tiles { get; } = (outputs + Tile - 1) / Tile;

    /// <summary>Of the rows that go in and come out.</summary>
    public ScalarType DType => dtype;

    /// <summary>What rows are multiplied in: their own dtype, or float32 where the processor does not multiply that.</summary>
    public ScalarType Computes { get; } = Brgemm.Serves(dtype) ? dtype : ScalarType.Float32;

    /// <summary>Of one tile.</summary>
    public abstract long TileBytes { get; }

    /// <param name="weight">[out, in]</param>
    /// <param name="memory">Where the packed weight lies; must live as long as this.</param>
    public static PackedWeight Create(Tensor weight, WeightMemory memory, bool int8) =>
        int8 ? new PackedWeight<Int8Tile>(weight, memory)
        : weight.dtype == ScalarType.BFloat16 ? new PackedWeight<BFloat16Tile>(weight, memory) : new PackedWeight<Float32Tile>(weight, memory);

    /// <summary>Rows times one tile.</summary>
    /// <param name="x">[rows, in] in <see cref="Computes"/>; one row in float32.</param>
    /// <param name="product">[rows, 32]</param>
    public abstract void Multiply(int tile, int rows, void* x, float* product);

    /// <summary>A row of the weight.</summary>
    /// <param name="target">[in]</param>
    public abstract void CopyRow(long output, float* target);
}

internal sealed unsafe class PackedWeight<T> : PackedWeight
    where T : struct, ITile
{
    private const int Piece = 256; // of the inner dimension: in float32, what a core's nearest cache holds
    private const int Most = 127;

    private readonly byte* packed; // tiles one after the other
    private readonly float* scales; // [tiles * 32], of 8 bits alone

    public PackedWeight(Tensor weight, WeightMemory memory)
        : base((int)weight.shape[1], (int)weight.shape[0], weight.dtype)
    {
        packed = memory.Take(Tiles * TileBytes);
        using var rows = weight.contiguous();
        var source = rows.Pointer();
        if (typeof(T) != typeof(Int8Tile))
        {
            Workers.For(Tiles, tile => Pack((uint*)source, tile));
            return;
        }
        scales = (float*)memory.Take(Tiles * Tile * sizeof(float));
        new Span<float>(scales, Tiles * Tile).Clear();
        if (DType == ScalarType.BFloat16)
        {
            Workers.For(Tiles, tile => Round<BFloat16Lanes>(source, tile));
        }
        else
        {
            Workers.For(Tiles, tile => Round<Float32Lanes>(source, tile));
        }
    }

    public override long TileBytes => (long)Inputs / 2 * T.PairBytes;

    // The processor multiplies what is stored.
    private bool IsWhole => typeof(T) == (Computes == ScalarType.BFloat16 ? typeof(BFloat16Tile) : typeof(Float32Tile));

    public override void Multiply(int tile, int rows, void* x, float* product)
    {
        var weight = packed + tile * TileBytes;
        // Row by row, whoever is beside it, the sums of pieces are added one after the other.
        var piece = IsWhole ? Inputs : Piece;
        for (var start = 0; start < Inputs; start += piece, weight += piece / 2 * T.PairBytes)
        {
            var length = Math.Min(piece, Inputs - start);
            if (rows == 1)
            {
                TileKernel<T>.MultiplyOne(length, (float*)x + start, weight, product, oddFirst: Computes == ScalarType.BFloat16, add: start > 0);
            }
            else if (Computes == ScalarType.Float32 && Vector512.IsHardwareAccelerated)
            {
                TileKernel<T>.Multiply(rows, length, (float*)x + start, Inputs, weight, product, add: start > 0);
            }
            else if (IsWhole)
            {
                Brgemm.Multiply(Computes, rows, Tile, Inputs, x, weight, product);
            }
            else
            {
                MultiplyWidened(rows, length, (byte*)x + (long)start * Computes.ElementSize(), weight, product, add: start > 0);
            }
        }
        if (scales != null)
        {
            Scale(rows, product, scales + tile * Tile);
        }
    }

    public override void CopyRow(long output, float* target)
    {
        var lane = (int)(output % Tile);
        var pair = packed + output / Tile * TileBytes;
        for (var k = 0; k < Inputs; k += 2, pair += T.PairBytes)
        {
            var (even, odd) = T.Load(pair, lane / 16 * 16);
            var scale = scales == null ? 1 : scales[output];
            (target[k], target[k + 1]) = (even[lane % 16] * scale, odd[lane % 16] * scale);
        }
    }

    [SkipLocalsInit]
    private void MultiplyWidened(int rows, int length, void* x, byte* weight, float* product, bool add)
    {
        var wide = stackalloc float[Piece * Tile];
        if (Computes == ScalarType.BFloat16)
        {
            TileKernel<T>.Widen(weight, length, (ushort*)wide);
        }
        else
        {
            TileKernel<T>.Widen(weight, length, wide);
        }
        Brgemm.Multiply(Computes, rows, Tile, length, x, wide, product, stride: Inputs, add);
    }

    private static void Scale(int rows, float* product, float* scale)
    {
        const int Half = Tile / 2;
        var (left, right) = (Vector512.Load(scale), Vector512.Load(scale + Half));
        for (var row = 0; row < rows; row++, product += Tile)
        {
            (Vector512.Load(product) * left).Store(product);
            (Vector512.Load(product + Half) * right).Store(product + Half);
        }
    }

    // Transposes in words of 32 bits: one float32, or a pair of bfloat16.
    private void Pack(uint* source, int tile)
    {
        const int Line = 16;
        var words = (int)(TileBytes / (Tile * sizeof(uint)));
        var to = (uint*)(packed + tile * TileBytes);
        var columns = Math.Min(Tile, Outputs - tile * Tile);
        new Span<uint>(to, words * Tile).Clear();
        for (var start = 0; start < words; start += Line)
        {
            for (var column = 0; column < columns; column++)
            {
                var from = source + ((long)tile * Tile + column) * words;
                for (var k = start; k < Math.Min(words, start + Line); k++)
                {
                    to[k * Tile + column] = from[k];
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Round<TLanes>(byte* rows, int tile)
        where TLanes : struct, ILanes
    {
        const int Lanes = 16;
        var to = (sbyte*)(packed + tile * TileBytes);
        new Span<sbyte>(to, Inputs * Tile).Clear();
        var whole = stackalloc int[Lanes];
        for (var column = 0; column < Math.Min(Tile, Outputs - tile * Tile); column++)
        {
            var row = rows + (tile * Tile + column) * (long)Inputs * TLanes.Size;
            var largest = Largest<TLanes>(row);
            // What is no number makes the scale none, and with it all that the output gives.
            scales[tile * Tile + column] = largest / Most;
            var factor = largest > 0 ? Most / largest : 0;
            var k = 0;
            for (; k <= Inputs - Lanes; k += Lanes)
            {
                Vector512.ConvertToInt32(Vector512.Round(TLanes.Load(row, k) * factor)).Store(whole);
                for (var lane = 0; lane < Lanes; lane++)
                {
                    to[(k + lane) * Tile + column] = (sbyte)whole[lane];
                }
            }
            for (; k < Inputs; k++)
            {
                to[k * Tile + column] = (sbyte)MathF.Round(TLanes.LoadOne(row, k) * factor);
            }
        }
    }

    private float Largest<TLanes>(byte* row)
        where TLanes : struct, ILanes
    {
        const int Lanes = 16;
        var (lanes, largest, k) = (Vector512<float>.Zero, 0f, 0);
        for (; k <= Inputs - Lanes; k += Lanes)
        {
            lanes = Vector512.Max(lanes, Vector512.Abs(TLanes.Load(row, k)));
        }
        for (var lane = 0; lane < Lanes; lane++)
        {
            largest = MathF.Max(largest, lanes[lane]);
        }
        for (; k < Inputs; k++)
        {
            largest = MathF.Max(largest, MathF.Abs(TLanes.LoadOne(row, k)));
        }
        return largest;
    }
}
