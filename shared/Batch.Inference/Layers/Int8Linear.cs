using System.Runtime.CompilerServices;
using Batch.Inference.Kernels;
using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>
/// The product over weights of 8 bits with a scale for each output, rounded once, at load, and packed as in <see cref="PackedLinear"/>. Memory is read at half of
/// bfloat16's size; a piece at a time becomes x's dtype again in the processor's cache, exactly, where the same kernel multiplies it. So rows stay as they are, a weight
/// loses what rounding takes, and a row's result is bit for bit the same whatever rows share the call.
/// </summary>
internal sealed unsafe class Int8Linear : Linear
{
    private const int Tile = 32;
    private const int RowBlock = 64;
    private const int Piece = 1024; // of the inner dimension
    private const int Most = 127;

    private readonly WeightMemory memory;
    private readonly bool ownsMemory;
    private readonly sbyte* packed; // float32: [tiles, in, 32]; bfloat16: [tiles, in / 2, 32, 2]
    private readonly float* scales, bias; // [tiles * 32]
    private readonly ScalarType dtype;
    private readonly int inputs, outputs, tiles;

    /// <param name="memory">Where the rounded weight lies; must live as long as the layer.</param>
    public Int8Linear(Tensor weight, Tensor? bias, WeightMemory? memory = null)
    {
        if (!PackedLinear.Serves(weight))
        {
            throw new NotSupportedException($"WeightDType is int8, for which there is no kernel here: a weight [{string.Join(", ", weight.shape)}] of {weight.dtype} on {weight.device}");
        }
        (outputs, inputs, dtype) = ((int)weight.shape[0], (int)weight.shape[1], weight.dtype);
        tiles = (outputs + Tile - 1) / Tile;
        (this.memory, ownsMemory) = (memory ?? new WeightMemory(), memory is null);
        packed = (sbyte*)this.memory.Take((long)tiles * inputs * Tile);
        scales = (float*)this.memory.Take(tiles * Tile * sizeof(float));
        this.bias = (float*)this.memory.Take(tiles * Tile * sizeof(float));
        new Span<float>(scales, tiles * Tile).Clear();
        new Span<float>(this.bias, tiles * Tile).Clear();
        using (weight)
        using (var rows = weight.contiguous())
        {
            var start = rows.Pointer();
            Workers.For(tiles, tile =>
            {
                if (dtype == ScalarType.BFloat16)
                {
                    Pack<BFloat16Lanes>(start, tile);
                }
                else
                {
                    Pack<Float32Lanes>(start, tile);
                }
            });
        }
        if (bias is not null)
        {
            using (bias)
            using (var wide = bias.to(ScalarType.Float32).contiguous())
            {
                new Span<float>(wide.Pointer(), outputs).CopyTo(new Span<float>(this.bias, outputs));
            }
        }
    }

    // Elements of the inner dimension that lie side by side for one output.
    private int Pair => dtype == ScalarType.BFloat16 ? 2 : 1;

    public override Tensor Forward(Tensor x)
    {
        if (x.dtype != dtype)
        {
            throw new ArgumentException($"x is {x.dtype}, the layer {dtype}", nameof(x));
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
        using var wanted = outputs.contiguous();
        var y = empty([wanted.shape[0], inputs], ScalarType.Float32);
        var ids = (long*)wanted.Pointer();
        var target = (float*)y.Pointer();
        Workers.For((int)wanted.shape[0], row =>
        {
            var (id, pair) = (ids[row], Pair);
            var from = packed + id / Tile * inputs * Tile + id % Tile * pair;
            for (var k = 0; k < inputs; k++)
            {
                target[(long)row * inputs + k] = from[k / pair * pair * Tile + k % pair] * scales[id];
            }
        });
        return y.to(dtype);
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
        var wide = stackalloc byte[Piece * Tile * T.Size];
        var columns = Math.Min(Tile, outputs - tile * Tile);
        for (var row = 0; row < rows; row += RowBlock)
        {
            var count = Math.Min(RowBlock, rows - row);
            for (var start = 0; start < inputs; start += Piece)
            {
                var length = Math.Min(Piece, inputs - start);
                Int8Kernel.Widen<T>(packed + ((long)tile * inputs + start) * Tile, wide, length * Tile);
                Brgemm.Multiply(dtype, count, Tile, length, source + ((long)row * inputs + start) * T.Size, wide, product, stride: inputs, add: start > 0);
            }
            for (var r = 0; r < count; r++)
            {
                Int8Kernel.Scale<T>(product + r * Tile, scales + tile * Tile, bias + tile * Tile, target + ((row + r) * (long)outputs + tile * Tile) * T.Size, columns);
            }
        }
    }

    private void Pack<T>(byte* rows, int tile)
        where T : struct, ILanes
    {
        var to = packed + (long)tile * inputs * Tile;
        new Span<sbyte>(to, inputs * Tile).Clear();
        var pair = Pair;
        for (var column = 0; column < Math.Min(Tile, outputs - tile * Tile); column++)
        {
            var row = rows + (tile * Tile + column) * (long)inputs * T.Size;
            var largest = 0f;
            for (var k = 0; k < inputs; k++)
            {
                largest = MathF.Max(largest, MathF.Abs(T.LoadOne(row, k)));
            }
            // What is no number makes the scale none, and with it all that the output gives.
            scales[tile * Tile + column] = largest / Most;
            var factor = largest > 0 ? Most / largest : 0;
            for (var k = 0; k < inputs; k++)
            {
                to[k / pair * pair * Tile + column * pair + k % pair] = (sbyte)MathF.Round(T.LoadOne(row, k) * factor);
            }
        }
    }
}
