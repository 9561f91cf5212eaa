using System.Reflection;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Batch.LocalHost.Functions;

/// <summary>Runs a function once: a new instance with its dependencies from the services given, each parameter bound, the result awaited.</summary>
internal sealed partial class FunctionInvoker(IServiceScopeFactory scopes, TimeProvider time, ILogger<FunctionInvoker> logger)
{
    /// <summary>Runs in a scope of its own.</summary>
    public async Task InvokeAsync(Function function, Func<ParameterInfo, object?> bind, CancellationToken cancellationToken)
    {
        await using var scope = scopes.CreateAsyncScope();
        await InvokeAsync(function, bind, new FunctionContext(new(function.Name), scope.ServiceProvider, cancellationToken));
    }

    /// <summary>Runs in the scope of <paramref name="context"/>; returns what the function returned. What it threw comes unwrapped.</summary>
    public async Task<object?> InvokeAsync(Function function, Func<ParameterInfo, object?> bind, FunctionContext context)
    {
        var started = time.GetTimestamp();
        LogExecuting(function.Name, context.InvocationId);
        var arguments = function.Method.GetParameters().Select(parameter => Bind(parameter, bind, context)).ToArray();
        var instance = function.Method.IsStatic
            ? null
            : ActivatorUtilities.CreateInstance(context.InstanceServices, function.Method.DeclaringType!);
        try
        {
            var result = await AwaitAsync(function.Method.Invoke(instance, BindingFlags.DoNotWrapExceptions, null, arguments, null));
            var elapsed = time.GetElapsedTime(started);
            LogExecuted(function.Name, context.InvocationId, elapsed);
            return result;
        }
        finally
        {
            await DisposeAsync(instance);
        }
    }

    private static object? Bind(ParameterInfo parameter, Func<ParameterInfo, object?> bind, FunctionContext context) =>
        parameter.ParameterType == typeof(CancellationToken) ? context.CancellationToken
        : parameter.ParameterType == typeof(FunctionContext) ? context
        : bind(parameter);

    private static async Task<object?> AwaitAsync(object? returned)
    {
        if (returned is not Task task)
        {
            return returned;
        }

        await task;
        return task.GetType().GetProperty("Result")?.GetValue(task);
    }

    private static async ValueTask DisposeAsync(object? instance)
    {
        switch (instance)
        {
            case IAsyncDisposable asyncDisposable: await asyncDisposable.DisposeAsync(); break;
            case IDisposable disposable: disposable.Dispose(); break;
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Executing {Function} ({InvocationId})")]
    private partial void LogExecuting(string function, string invocationId);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Executed {Function} ({InvocationId}) in {Elapsed}")]
    private partial void LogExecuted(string function, string invocationId, TimeSpan elapsed);
}
