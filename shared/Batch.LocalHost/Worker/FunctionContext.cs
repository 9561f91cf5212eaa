namespace Microsoft.Azure.Functions.Worker;

/// <summary>One invocation: its id, its function, the services of its scope and the token that ends it.</summary>
public sealed class FunctionContext
{
    internal FunctionContext(FunctionDefinition definition, IServiceProvider services, CancellationToken cancellationToken)
    {
        FunctionDefinition = definition;
        InstanceServices = services;
        CancellationToken = cancellationToken;
    }

    public string InvocationId { get; } = Guid.NewGuid().ToString();

    public FunctionDefinition FunctionDefinition { get; }

    public IServiceProvider InstanceServices { get; }

    public CancellationToken CancellationToken { get; }
}

public sealed class FunctionDefinition
{
    internal FunctionDefinition(string name) => Name = name;

    public string Name { get; }
}
