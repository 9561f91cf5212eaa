using Batch.Jobs.Files;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Retention;

/// <summary>Files: row and bytes, at the time that was asked for or after the usual one; and the bytes of uploads that came to nothing.</summary>
public sealed class FileExpiry(FileStore files, IOptions<RetentionOptions> options) : IExpiring
{
    public string Kind => FileStore.ExpiryKind;

    /// <summary>Entries have the time at which to look.</summary>
    public TimeSpan Life => TimeSpan.Zero;

    public async Task<DateTimeOffset?> ExpireAsync(Expiry entry, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (await files.FindRowAsync(entry.Tenant, entry.Id, cancellationToken) is not { } file)
        {
            await files.DeleteBytesAsync(entry.Tenant, entry.Id, cancellationToken);
            return null;
        }

        var end = file.ExpiresAt ?? (file.KeptFrom ?? file.CreatedAt).AddDays(options.Value.Days);
        if (end > now)
        {
            return end;
        }

        await files.DeleteAsync(file, cancellationToken);
        return null;
    }
}
