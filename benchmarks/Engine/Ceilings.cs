using System.Diagnostics;
using System.Runtime.Intrinsics;
using Batch.Inference.Kernels;
using static TorchSharp.torch;

namespace Batch.Benchmarks.Engine;

/// <summary>What this machine can do at most, measured here and now: bytes read from memory a second, and multiplications and additions of large square matrices.</summary>
internal sealed record Ceilings(double ReadBytesPerSecond, double Float32FlopsPerSecond, double BFloat16FlopsPerSecond)
{
    private const int Rounds = 6;

    public double Flops(string dtype) => dtype == "float32" ? Float32FlopsPerSecond : BFloat16FlopsPerSecond;

    public static Ceilings Measure() => new(Read(), Multiply(ScalarType.Float32), Multiply(ScalarType.BFloat16));

    private static unsafe double Read()
    {
        const int Pieces = 64, Piece = 8 << 20;
        using var weights = new WeightMemory(); // where the engine's lie
        var memory = weights.Take(Pieces * (long)Piece);
        new Span<byte>(memory, Pieces * Piece / 2).Fill(1);
        new Span<byte>(memory + Pieces * (long)Piece / 2, Pieces * Piece / 2).Fill(1);
        var sums = new long[Pieces];
        return Pieces * (double)Piece / Fastest(() => Workers.For(Pieces, i => sums[i] = Sum((long*)(memory + (long)i * Piece), Piece / sizeof(long))));
    }

    private static unsafe long Sum(long* at, int count)
    {
        var (a, b, c, d) = (Vector512<long>.Zero, Vector512<long>.Zero, Vector512<long>.Zero, Vector512<long>.Zero);
        for (var i = 0; i < count; i += 32)
        {
            a += Vector512.Load(at + i);
            b += Vector512.Load(at + i + 8);
            c += Vector512.Load(at + i + 16);
            d += Vector512.Load(at + i + 24);
        }
        return Vector512.Sum(a + b + c + d);
    }

    private static double Multiply(ScalarType dtype)
    {
        const int Size = 1536;
        using var scope = NewDisposeScope();
        var (a, b) = (randn(Size, Size).to(dtype), randn(Size, Size).to(dtype));
        return 2.0 * Size * Size * Size / Fastest(() => matmul(a, b).Dispose());
    }

    private static double Fastest(Action action)
    {
        var best = double.MaxValue;
        for (var round = 0; round < Rounds; round++)
        {
            var start = Stopwatch.GetTimestamp();
            action();
            best = Math.Min(best, BenchmarkEngine.Seconds(start, Stopwatch.GetTimestamp()));
        }
        return best;
    }
}
