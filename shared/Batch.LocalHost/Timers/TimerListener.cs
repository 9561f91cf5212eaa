using Batch.LocalHost.Functions;
using Batch.LocalHost.Hosting;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Logging;

namespace Batch.LocalHost.Timers;

/// <summary>
/// Runs one function at each occurrence of its schedule, one run at a time: occurrences that pass during a run become one late run after it.
/// A run that throws is logged; the next occurrence is its retry.
/// </summary>
internal sealed partial class TimerListener(
    Function function, Schedule schedule, FunctionInvoker invoker, Drain drain, TimeProvider time, ILogger<TimerListener> logger)
{
    // A delay has a ceiling of some 49 days; a schedule has none.
    private static readonly TimeSpan LongestDelay = TimeSpan.FromDays(1);

    public async Task RunAsync(CancellationToken stop)
    {
        var last = time.GetUtcNow();
        if (((TimerTriggerAttribute)function.Trigger).RunOnStartup)
        {
            await InvokeAsync(last, schedule.Next(last), isPastDue: false);
        }

        while (schedule.Next(last) is { } due)
        {
            LogDue(function.Name, due);
            var isPastDue = time.GetUtcNow() > due;
            if (!await WaitAsync(due, stop))
            {
                return;
            }

            last = isPastDue ? time.GetUtcNow() : due;
            await InvokeAsync(last, schedule.Next(last), isPastDue);
        }
    }

    /// <summary>False when the host stops first.</summary>
    private async Task<bool> WaitAsync(DateTimeOffset due, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested && due - time.GetUtcNow() is var remaining && remaining > TimeSpan.Zero)
        {
            var delay = remaining < LongestDelay ? remaining : LongestDelay;
            await Task.Delay(delay, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return !stop.IsCancellationRequested;
    }

    private async Task InvokeAsync(DateTimeOffset last, DateTimeOffset? next, bool isPastDue)
    {
        var status = new ScheduleStatus { Last = last.UtcDateTime, Next = next?.UtcDateTime ?? default, LastUpdated = last.UtcDateTime };
        var timer = new TimerInfo { ScheduleStatus = status, IsPastDue = isPastDue };
        try
        {
            await invoker.InvokeAsync(function, _ => timer, drain.Token);
        }
        catch (OperationCanceledException) when (drain.Token.IsCancellationRequested)
        {
            LogCancelled(function.Name);
        }
        catch (Exception e)
        {
            LogFailed(e, function.Name);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Function} is due at {Due:O}")]
    private partial void LogDue(string function, DateTimeOffset due);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Function} was cancelled by shutdown")]
    private partial void LogCancelled(string function);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Function} failed; it runs again when it is next due")]
    private partial void LogFailed(Exception exception, string function);
}
