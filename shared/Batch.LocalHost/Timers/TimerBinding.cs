using Batch.LocalHost.Functions;
using Microsoft.Azure.Functions.Worker;

namespace Batch.LocalHost.Timers;

/// <summary>What a timer-triggered function may look like.</summary>
internal static class TimerBinding
{
    public static void Check(Function function)
    {
        FunctionShape.RequireNoResult(function);
        FunctionShape.RequireOnlyTrigger(function);
        if (function.TriggerParameter.ParameterType != typeof(TimerInfo))
        {
            throw function.Invalid($"a timer binds to TimerInfo, not to {function.TriggerParameter.ParameterType}.");
        }
    }
}
