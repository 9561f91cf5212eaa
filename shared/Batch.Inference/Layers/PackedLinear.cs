using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Batch.Inference.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>
/// The product over a weight packed once, at load, into tiles of 32 outputs whose columns lie one after the other, so that it is read from memory straight
/// through, once for up to 64 rows. A row's result is bit for bit the same whatever rows share the call and whatever the number of threads.
/// </summary>
internal sealed unsafe class PackedLinear : Linear
{
    private const int Tile = 32;
    private const int RowBlock = 64;

    private readonly WeightMemory memory;
    private readonly bool ownsMemory;
    private readonly byte* packed; // float32: [tiles, in, 32]; bfloat16: [tiles, in / 2, 32, 2]
    private readonly float* bias; // [tiles * 32]
    private readonly ScalarType dtype;
    private readonly int inputs, outputs, tiles;

    /// <param name="memory">Where the packed weight lies; must live as long as the layer.</param>
    public PackedLinear(Tensor weight, Tensor? bias, WeightMemory? memory = null)
    {
        (outputs, inputs, dtype) = ((int)weight.shape[0], (int)weight.shape[1], weight.dtype);
        tiles = (outputs + Tile - 1) / Tile;
        (this.memory, ownsMemory) = (memory ?? new WeightMemory(), memory is null);
        packed = this.memory.Take((long)tiles * inputs * Tile * dtype.ElementSize());
        this.bias = (float*)this.memory.Take(tiles * Tile * sizeof(float));
        using (weight)
        using (var rows = weight.contiguous())
        {
            Pack((uint*)rows.Pointer(), (uint*)packed);
        }
        new Span<float>(this.bias, tiles * Tile).Clear();
        if (bias is not null)
        {
            using (bias)
            using (var wide = bias.to(ScalarType.Float32).contiguous())
            {
                new Span<float>(wide.Pointer(), outputs).CopyTo(new Span<float>(this.bias, outputs));
            }
        }
    }

    // Of 32 bits, in a row of the weight.
    private int Words => dtype == ScalarType.BFloat16 ? inputs / 2 : inputs;

    public static bool Serves(Tensor weight) =>
        weight.device_type == DeviceType.CPU && Brgemm.Serves(weight.dtype) && (weight.dtype == ScalarType.Float32 || weight.shape[1] % 2 == 0);

    public override Tensor Forward(Tensor x)
    {
        if (x.dtype != dtype)
        {
            throw new ArgumentException($"x is {x.dtype}, the weight {dtype}", nameof(x));
        }
        using var input = x.contiguous();
        var shape = x.shape;
        var rows = (int)(x.numel() / inputs);
        shape[^1] = outputs;
        var y = empty(shape, dtype);
        byte* source = input.Pointer(), target = y.Pointer();
        var chunk = Math.Max(1, tiles / (8 * get_num_threads()));
        Workers.For((tiles + chunk - 1) / chunk, i =>
        {
            for (var tile = i * chunk; tile < Math.Min(tiles, (i + 1) * chunk); tile++)
            {
                if (dtype == ScalarType.BFloat16)
                {
                    Multiply<BFloat16Lanes>(source, rows, target, tile);
                }
                else
                {
                    Multiply<Float32Lanes>(source, rows, target, tile);
                }
            }
        });
        return y;
    }

    public override Tensor Rows(Tensor outputs)
    {
        var words = Words;
        using var wanted = outputs.contiguous();
        var y = empty([wanted.shape[0], inputs], dtype);
        var ids = (long*)wanted.Pointer();
        uint* source = (uint*)packed, target = (uint*)y.Pointer();
        Workers.For((int)wanted.shape[0], row =>
        {
            var from = source + ids[row] / Tile * words * Tile + ids[row] % Tile;
            var to = target + (long)row * words;
            for (var k = 0; k < words; k++)
            {
                to[k] = from[k * Tile];
            }
        });
        return y;
    }

    public override void Dispose()
    {
        if (ownsMemory)
        {
            memory.Dispose();
        }
    }

    // The outputs of one tile, for all rows.
    [SkipLocalsInit]
    private void Multiply<T>(byte* source, int rows, byte* target, int tile)
        where T : struct, ILanes
    {
        var product = stackalloc float[RowBlock * Tile];
        var columns = Math.Min(Tile, outputs - tile * Tile);
        for (var row = 0; row < rows; row += RowBlock)
        {
            var count = Math.Min(RowBlock, rows - row);
            Brgemm.Multiply(dtype, count, Tile, inputs, source + (long)row * inputs * T.Size, packed + (long)tile * inputs * Tile * T.Size, product);
            for (var r = 0; r < count; r++)
            {
                Store<T>(product + r * Tile, bias + tile * Tile, target + ((row + r) * (long)outputs + tile * Tile) * T.Size, columns);
            }
        }
    }

    private static void Store<T>(float* product, float* offset, byte* target, int columns)
        where T : struct, ILanes
    {
        if (columns == Tile)
        {
            T.Store(Vector512.Load(product) + Vector512.Load(offset), target, 0);
            T.Store(Vector512.Load(product + Tile / 2) + Vector512.Load(offset + Tile / 2), target, Tile / 2);
            return;
        }
        for (var column = 0; column < columns; column++)
        {
            T.StoreOne(product[column] + offset[column], target, column);
        }
    }

    // Transposes each tile in words of 32 bits: one float32, or the pair of bfloat16 that the kernel wants side by side.
    private void Pack(uint* source, uint* target)
    {
        const int Line = 16;
        var words = Words;
        Workers.For(tiles, tile =>
        {
            var to = target + (long)tile * words * Tile;
            var columns = Math.Min(Tile, outputs - tile * Tile);
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
        });
    }
}
