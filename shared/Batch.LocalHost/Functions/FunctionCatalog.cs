using System.Reflection;
using System.Runtime.CompilerServices;
using Batch.LocalHost.Http;
using Batch.LocalHost.Queues;
using Batch.LocalHost.Timers;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Extensions.Abstractions;
using Microsoft.Extensions.Configuration;

namespace Batch.LocalHost.Functions;

/// <summary>
/// The functions of the process. The cloud build writes them down when it compiles; here they are found when the host is built,
/// and any that could not run stops it.
/// </summary>
internal sealed class FunctionCatalog
{
    public required IReadOnlyList<Function> Queues { get; init; }

    public required IReadOnlyList<Function> Timers { get; init; }

    public required IReadOnlyList<Function> Http { get; init; }

    /// <summary>
    /// The classes of every loaded assembly that uses this one. The entry assembly would not do: the functions run
    /// from their own executable and from another's process alike.
    /// </summary>
    public static IEnumerable<Type> LoadedClasses()
    {
        var here = typeof(FunctionCatalog).Assembly.GetName().Name;
        return AppDomain.CurrentDomain.GetAssemblies()
            .Where(assembly => !assembly.IsDynamic && assembly.GetReferencedAssemblies().Any(reference => reference.Name == here))
            .SelectMany(assembly => assembly.GetTypes());
    }

    public static FunctionCatalog Find(IEnumerable<Type> classes, IConfiguration configuration)
    {
        var functions = new Dictionary<string, Function>(StringComparer.OrdinalIgnoreCase);
        foreach (var method in classes.SelectMany(type => type.GetMethods(
            BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)))
        {
            if (method.GetCustomAttribute<FunctionAttribute>() is not { Name: var name })
            {
                continue;
            }

            var function = Describe(name, method);
            if (!functions.TryAdd(name, function))
            {
                throw function.Invalid($"{functions[name].Method.DeclaringType} declares the same name.");
            }
        }

        var enabled = functions.Values.Where(function => !configuration.GetValue($"AzureWebJobs:{function.Name}:Disabled", false)
            && !configuration.GetValue($"AzureWebJobs.{function.Name}.Disabled", false)).ToArray();
        return new FunctionCatalog
        {
            Queues = [.. enabled.Where(function => function.Trigger is QueueTriggerAttribute)],
            Timers = [.. enabled.Where(function => function.Trigger is TimerTriggerAttribute)],
            Http = [.. enabled.Where(function => function.Trigger is HttpTriggerAttribute)],
        };
    }

    public void RequireNoHttpUnless(bool servesHttp)
    {
        if (!servesHttp && Http.Count > 0)
        {
            throw Http[0].Invalid("it has an HTTP trigger, and Program.cs does not call ConfigureFunctionsWebApplication().");
        }
    }

    private static Function Describe(string name, MethodInfo method)
    {
        var triggers = method.GetParameters().Where(parameter => parameter.GetCustomAttribute<TriggerBindingAttribute>() is not null).ToArray();
        if (triggers.Length != 1)
        {
            throw new InvalidOperationException(
                $"Function '{name}' ({method.DeclaringType}.{method.Name}) must have one parameter with a trigger, has {triggers.Length}.");
        }

        var function = new Function(name, method, triggers[0], triggers[0].GetCustomAttribute<TriggerBindingAttribute>()!);
        if (!method.IsPublic || !method.DeclaringType!.IsVisible)
        {
            throw function.Invalid("the method and its class must be public.");
        }

        if (method.ReturnType == typeof(void) && method.GetCustomAttribute<AsyncStateMachineAttribute>() is not null)
        {
            throw function.Invalid("it is async void; nothing could wait for it. Return Task.");
        }

        CheckTrigger(function);
        return function;
    }

    private static void CheckTrigger(Function function)
    {
        switch (function.Trigger)
        {
            case HttpTriggerAttribute: HttpBinding.Check(function); break;
            case QueueTriggerAttribute: QueueBinding.Check(function); break;
            case TimerTriggerAttribute: TimerBinding.Check(function); break;
            default: throw function.Invalid($"{function.Trigger.GetType()} is not a trigger that this host knows.");
        }
    }
}
