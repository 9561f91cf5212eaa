using System.Text;
using CsCheck;

namespace Batch.Benchmarks.Fuzz;

/// <summary>A parser at the edge.</summary>
/// <param name="Name">By which it is chosen.</param>
/// <param name="Inputs">What it is fed.</param>
/// <param name="Read">True when the input was taken, false when it was refused in the way that the parser promises. What it throws is a crash.</param>
/// <param name="Share">How much of a run it gets, beside the others: dear parsers get less.</param>
internal sealed record FuzzTarget(string Name, Gen<byte[]> Inputs, Func<byte[], bool> Read, int Share = 10)
{
    public static FuzzTarget Of(string name, IEnumerable<string> documents, IReadOnlyList<string> words, Func<byte[], bool> read, int share = 10) =>
        new(name, new Mutated([.. documents.Select(Encoding.UTF8.GetBytes)], words), read, share);

    /// <summary>Whether <paramref name="read"/> takes its input; the exceptions named are the ones that it may refuse with.</summary>
    public static bool Takes(Action read, params ReadOnlySpan<Type> refusals)
    {
        try
        {
            read();
            return true;
        }
        catch (Exception e) when (refusals.Contains(e.GetType()))
        {
            return false;
        }
    }

    public override string ToString() => Name;
}
