using System.Reflection;
using Microsoft.Azure.Functions.Worker;

namespace Batch.LocalHost.Functions;

/// <summary>Rules on signatures that more than one kind of trigger has.</summary>
internal static class FunctionShape
{
    /// <summary>A parameter that every function may have, whatever triggers it.</summary>
    public static bool IsCommon(ParameterInfo parameter) =>
        parameter.ParameterType == typeof(CancellationToken) || parameter.ParameterType == typeof(FunctionContext);

    public static void RequireOnlyTrigger(Function function)
    {
        foreach (var parameter in function.Method.GetParameters())
        {
            if (parameter != function.TriggerParameter && !IsCommon(parameter))
            {
                throw function.Invalid($"nothing binds parameter '{parameter.Name}' of type {parameter.ParameterType}.");
            }
        }
    }

    public static void RequireNoResult(Function function)
    {
        if (function.Method.ReturnType != typeof(Task) && function.Method.ReturnType != typeof(void))
        {
            throw function.Invalid($"it returns {function.Method.ReturnType}, which goes nowhere; return Task or void.");
        }
    }
}
