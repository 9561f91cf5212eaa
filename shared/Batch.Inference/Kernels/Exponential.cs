using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Batch.Inference.Kernels;

/// <summary>
/// e^x on 16 lanes in float32, to 2 units in the last place (the method of Cephes: x = n ln 2 + r, a polynomial in r, then the exponent by its bits).
/// The framework's vectors compute it in double precision, several times slower.
/// </summary>
internal static class Exponential
{
    private const float Least = -86.5f, Most = 88.7228f; // results below 3e-38 are 0, above the largest float32 infinite
    private const float Log2E = 1.44269504f, Ln2High = 0.693359375f, Ln2Low = -2.12194440e-4f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> x)
    {
        var n = Vector512.Round(Vector512.Min(Vector512.Max(x, Vector512.Create(Least)), Vector512.Create(Most)) * Log2E);
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2High), x);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2Low), r);
        var p = Vector512.FusedMultiplyAdd(Vector512.Create(1.9875691500e-4f), r, Vector512.Create(1.3981999507e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(8.3334519073e-3f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(4.1665795894e-2f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1.6666665459e-1f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(5.0000001201e-1f));
        p = Vector512.FusedMultiplyAdd(p, r * r, r + Vector512<float>.One);
        // Half of 2^n, doubled afterwards: 2^128 itself is no float32.
        var half = Vector512.ShiftLeft(Vector512.ConvertToInt32Native(n) + Vector512.Create(126), 23).AsSingle();
        var y = p * half * 2f;
        y = Vector512.ConditionalSelect(Vector512.LessThan(x, Vector512.Create(Least)), Vector512<float>.Zero, y);
        return Vector512.ConditionalSelect(Vector512.GreaterThan(x, Vector512.Create(Most)), Vector512.Create(float.PositiveInfinity), y);
    }

    public static float Of(float x) => Of(Vector512.Create(x)).ToScalar();
}
