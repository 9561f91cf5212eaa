using System.Buffers;
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
    private const int PieceBytes = 64 << 10;

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

    public override Tensor Forward(Tensor x) => Multiply(x, null);

    public override Tensor Forward(Tensor x, Tensor residual) => Multiply(x, residual);

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

    private Tensor Multiply(Tensor x, Tensor? residual)
    {
        if (x.dtype != dtype)
        {
            throw new ArgumentException($"x is {x.dtype}, the weight {dtype}", nameof(x));
        }
        using var copy = x.CopyUnlessDense();
        using var addend = residual?.CopyUnlessDense();
        var shape = x.shape;
        shape[^1] = outputs;
        var y = empty(shape, dtype);
        var call = new Call((int)(x.numel() / inputs), (copy ?? x).Pointer(), residual is null ? null : (addend ?? residual).Pointer(), y.Pointer());
        if (dtype == ScalarType.BFloat16)
        {
            Multiply<BFloat16Lanes>(call);
        }
        else
        {
            Multiply<Float32Lanes>(call);
        }
        return y;
    }

    private void Multiply<T>(Call call)
        where T : struct, ILanes
    {
        var one = call.Rows == 1;
        var wide = one ? ArrayPool<float>.Shared.Rent(inputs) : [];
        fixed (float* x = wide)
        {
            var input = x; // in float32, of one row
            if (one)
            {
                RowKernels.Widen<T>(call.Source, input, inputs);
            }
            // Large enough to be read straight through, small enough that nobody waits long for the last.
            var chunk = (int)Math.Clamp((one ? 4 : 1) * PieceBytes / ((long)inputs * Tile * T.Size), 1, Math.Max(1, tiles / (2 * get_num_threads())));
            Workers.For((tiles + chunk - 1) / chunk, i =>
            {
                for (var tile = i * chunk; tile < Math.Min(tiles, (i + 1) * chunk); tile++)
                {
                    Multiply<T>(call, input, tile);
                }
            });
        }
        if (one)
        {
            ArrayPool<float>.Shared.Return(wide);
        }
    }

    // The outputs of one tile, for all rows.
    [SkipLocalsInit]
    private void Multiply<T>(in Call call, float* wide, int tile)
        where T : struct, ILanes
    {
        var product = stackalloc float[RowBlock * Tile];
        var weight = packed + (long)tile * inputs * Tile * T.Size;
        for (var row = 0; row < call.Rows; row += RowBlock)
        {
            var count = Math.Min(RowBlock, call.Rows - row);
            if (wide != null)
            {
                OneRow.Multiply(dtype, inputs, wide, weight, product);
            }
            else
            {
                Brgemm.Multiply(dtype, count, Tile, inputs, call.Source + (long)row * inputs * T.Size, weight, product);
            }
            Store<T>(call, row, count, tile, product);
        }
    }

    // A block of rows: product + bias + residual, rounded once.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Store<T>(in Call call, int first, int count, int tile, float* product)
        where T : struct, ILanes
    {
        const int Lanes = Tile / 2;
        var offset = bias + tile * Tile;
        var columns = Math.Min(Tile, outputs - tile * Tile);
        for (var row = first; row < first + count; row++, product += Tile)
        {
            var place = (row * (long)outputs + tile * Tile) * T.Size;
            byte* target = call.Target + place, residual = call.Residual == null ? null : call.Residual + place;
            if (columns == Tile)
            {
                var (left, right) = (Vector512.Load(product) + Vector512.Load(offset), Vector512.Load(product + Lanes) + Vector512.Load(offset + Lanes));
                T.Store(residual == null ? left : left + T.Load(residual, 0), target, 0);
                T.Store(residual == null ? right : right + T.Load(residual, Lanes), target, Lanes);
                continue;
            }
            for (var column = 0; column < columns; column++)
            {
                var sum = product[column] + offset[column];
                T.StoreOne(residual == null ? sum : sum + T.LoadOne(residual, column), target, column);
            }
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

    /// <param name="rows">[rows, in] times the weight.</param>
    /// <param name="residual">[rows, out] or null.</param>
    private readonly struct Call(int rows, byte* source, byte* residual, byte* target)
    {
        public readonly int Rows = rows;
        public readonly byte* Source = source, Residual = residual, Target = target;
    }
}
