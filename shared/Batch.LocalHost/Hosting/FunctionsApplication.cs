using Batch.LocalHost.Functions;

namespace Microsoft.Azure.Functions.Worker.Builder;

/// <summary>Where Program.cs starts, under either host.</summary>
public static class FunctionsApplication
{
    /// <summary>A builder for the functions of this process: those in every loaded assembly that uses this one.</summary>
    public static FunctionsApplicationBuilder CreateBuilder(string[] args) => CreateBuilder(args, FunctionCatalog.LoadedClasses());

    internal static FunctionsApplicationBuilder CreateBuilder(string[] args, IEnumerable<Type> functionClasses) => new(args, functionClasses);
}
