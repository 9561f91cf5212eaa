using System.ComponentModel.DataAnnotations;

namespace Batch.Jobs.Retention;

/// <summary>Section <c>Retention</c>.</summary>
public sealed class RetentionOptions
{
    /// <summary>
    /// Days for which a job is kept after its end, a batch with its files after its completion window, an uploaded file and a schedule's run after they came to be, and an
    /// Idempotency-Key after it was first seen. Files of which another time was asked are kept for that time.
    /// </summary>
    [Range(1, 3650)]
    public int Days { get; set; } = 30;

    /// <summary>Days for which the audit log is kept.</summary>
    [Range(1, 36_500)]
    public int AuditDays { get; set; } = 365;
}
