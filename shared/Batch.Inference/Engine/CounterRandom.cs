namespace Batch.Inference.Engine;

/// <summary>
/// Random numbers without a state: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). The number at a position follows
/// from seed and position alone, so a text can be continued anywhere, in any company.
/// </summary>
internal static class CounterRandom
{
    /// <summary>Uniform in [0, 1), of 53 random bits.</summary>
    public static double Uniform(ulong seed, long position)
    {
        var (a, b, _, _) = Philox((uint)position, (uint)(position >> 32), 0, 0, (uint)seed, (uint)(seed >> 32));
        return (((ulong)a << 32 | b) >> 11) * (1.0 / (1UL << 53));
    }

    /// <summary>A seed from a name: FNV-1a, 64 bits.</summary>
    public static ulong SeedOf(string name)
    {
        var hash = 14695981039346656037UL;
        foreach (var c in name)
        {
            hash = (hash ^ c) * 1099511628211UL;
        }
        return hash;
    }

    internal static (uint, uint, uint, uint) Philox(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1)
    {
        for (var round = 0; round < 10; round++)
        {
            var p0 = 0xD2511F53UL * c0;
            var p1 = 0xCD9E8D57UL * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }
        return (c0, c1, c2, c3);
    }
}
