using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Batch.Inference.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>
/// The product over a weight packed once, at load, so that it is read from memory straight through, once for up to 64 rows. A row's result is bit for bit the
/// same whatever rows share the call and whatever the number of threads.
/// </summary>
internal sealed unsafe class PackedLinear : Linear
{
    private const int Tile = PackedWeight.Tile;
    private const int RowBlock = 64;
    private const int PieceBytes = 64 << 10;

    private readonly WeightMemory memory;
    private readonly bool ownsMemory;
    private readonly PackedWeight weight;
    private readonly float* bias; // [tiles * 32]

    /// <param name="weight">[out, in]</param>
    /// <param name="memory">Where the packed weight lies; must live as long as the layer.</param>
    /// <param name="int8">Rounds the weight to 8 bits: memory is read at half of bfloat16's size, rows stay as they are.</param>
    public PackedLinear(Tensor weight, Tensor? bias, WeightMemory? memory = null, bool int8 = false)
    {
        (this.memory, ownsMemory) = (memory ?? new WeightMemory(), memory is null);
        using (weight)
        {
            this.weight = PackedWeight.Create(weight, this.memory, int8);
        }
        var outputs = this.weight.Tiles * Tile;
        this.bias = (float*)this.memory.Take(outputs * sizeof(float));
        new Span<float>(this.bias, outputs).Clear();
        if (bias is not null)
        {
            using (bias)
            using (var wide = bias.to(ScalarType.Float32).contiguous())
            {
                new Span<float>(wide.Pointer(), this.weight.Outputs).CopyTo(new Span<float>(this.bias, outputs));
            }
        }
    }

    /// <summary>Whether there are kernels here for weights of that dtype, and for such weights rounded to 8 bits.</summary>
    public static bool Serves(ScalarType dtype) => dtype is ScalarType.Float32 or ScalarType.BFloat16 && Brgemm.Serves(ScalarType.Float32);

    public static bool Serves(Tensor weight) => weight.device_type == DeviceType.CPU && Serves(weight.dtype) && weight.shape[1] % 2 == 0;

    public override Tensor Forward(Tensor x) => Multiply(x, null);

    public override Tensor Forward(Tensor x, Tensor residual) => Multiply(x, residual);

    public override Tensor Rows(Tensor outputs)
    {
        using var wanted = outputs.contiguous();
        using var rows = empty([wanted.shape[0], weight.Inputs], ScalarType.Float32);
        var ids = (long*)wanted.Pointer();
        var target = (float*)rows.Pointer();
        Workers.For((int)wanted.shape[0], row => weight.CopyRow(ids[row], target + (long)row * weight.Inputs));
        return rows.to(weight.DType, copy: true);
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
        if (x.dtype != weight.DType)
        {
            throw new ArgumentException($"x is {x.dtype}, the weight {weight.DType}", nameof(x));
        }
        using var lap = StepClock.In(StepPhase.Products);
        using var copy = x.CopyUnlessDense();
        using var addend = residual?.CopyUnlessDense();
        var shape = x.shape;
        shape[^1] = weight.Outputs;
        var y = empty(shape, x.dtype);
        var call = new Call((int)(x.numel() / weight.Inputs), (copy ?? x).Pointer(), residual is null ? null : (addend ?? residual).Pointer(), y.Pointer());
        if (x.dtype == ScalarType.Float32)
        {
            Multiply<Float32Lanes>(call, sizeof(float));
        }
        else if (call.Rows > 1 && weight.Computes == ScalarType.BFloat16)
        {
            Multiply<BFloat16Lanes>(call, sizeof(ushort));
        }
        else
        {
            MultiplyWide(call);
        }
        return y;
    }

    // Rows of bfloat16 that are multiplied in float32.
    private void MultiplyWide(Call call)
    {
        var inputs = weight.Inputs;
        var rented = ArrayPool<float>.Shared.Rent(call.Rows * inputs);
        fixed (float* start = rented)
        {
            var wide = start;
            RowKernels.For(call.Rows, inputs, (from, to) =>
                RowKernels.Widen<BFloat16Lanes>(call.Source + (long)from * inputs * sizeof(ushort), wide + (long)from * inputs, (to - from) * inputs));
            Multiply<BFloat16Lanes>(new Call(call.Rows, (byte*)wide, call.Residual, call.Target), sizeof(float));
        }
        ArrayPool<float>.Shared.Return(rented);
    }

    private void Multiply<T>(Call call, int elementSize)
        where T : struct, ILanes
    {
        // Large enough to be read straight through, small enough that nobody waits long for the last, and as many for each thread.
        var (threads, most) = (get_num_threads(), Math.Max(1, (call.Rows == 1 ? 4 : 1) * PieceBytes / weight.TileBytes));
        var each = Math.Max(2, (weight.Tiles + most * threads - 1) / (most * threads));
        var chunk = (int)((weight.Tiles + each * threads - 1) / (each * threads));
        Workers.For((weight.Tiles + chunk - 1) / chunk, i =>
        {
            for (var tile = i * chunk; tile < Math.Min(weight.Tiles, (i + 1) * chunk); tile++)
            {
                Multiply<T>(call, elementSize, tile);
            }
        });
    }

    // The outputs of one tile, for all rows.
    [SkipLocalsInit]
    private void Multiply<T>(in Call call, int elementSize, int tile)
        where T : struct, ILanes
    {
        var product = stackalloc float[RowBlock * Tile];
        for (int row = 0, count; row < call.Rows; row += count)
        {
            count = Math.Min(RowBlock, call.Rows - row);
            count -= call.Rows - row - count == 1 ? 1 : 0; // none stays alone that was not
            weight.Multiply(tile, count, call.Source + (long)row * weight.Inputs * elementSize, product);
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
        var outputs = weight.Outputs;
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

    /// <param name="rows">[rows, in] times the weight.</param>
    /// <param name="residual">[rows, out] or null.</param>
    private readonly struct Call(int rows, byte* source, byte* residual, byte* target)
    {
        public readonly int Rows = rows;
        public readonly byte* Source = source, Residual = residual, Target = target;
    }
}
