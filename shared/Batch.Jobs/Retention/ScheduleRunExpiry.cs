using Batch.Jobs.Schedules;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Retention;

/// <summary>The history of schedules, those that were deleted too.</summary>
public sealed class ScheduleRunExpiry(ScheduleStore store, IOptions<RetentionOptions> options) : IExpiring
{
    public string Kind => ScheduleStore.RunExpiryKind;

    public TimeSpan Life => TimeSpan.FromDays(options.Value.Days);

    public async Task<DateTimeOffset?> ExpireAsync(Expiry entry, DateTimeOffset now, CancellationToken cancellationToken)
    {
        // The entry's tenant is the schedule, of which the run is one.
        await store.DeleteRunAsync(entry.Tenant, entry.Id, cancellationToken);
        return null;
    }
}
