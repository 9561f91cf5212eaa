using Batch.Jobs.Audit;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Retention;

/// <summary>The audit log, a tenant's day at a time.</summary>
public sealed class AuditExpiry(AuditLog audit, IOptions<RetentionOptions> options) : IExpiring
{
    public string Kind => AuditLog.ExpiryKind;

    public TimeSpan Life => TimeSpan.FromDays(options.Value.AuditDays + 1); // entries have the day's beginning

    public async Task<DateTimeOffset?> ExpireAsync(Expiry entry, DateTimeOffset now, CancellationToken cancellationToken)
    {
        await audit.DeleteDayAsync(entry.Id, cancellationToken);
        return null;
    }
}
