using System.ComponentModel;
using System.Diagnostics;
using System.Text;

namespace Batch.LocalHost.Emulator;

/// <summary>
/// A data folder that one Azurite at a time may use. The open lock file keeps other live owners out; the process in it names an Azurite
/// whose owner was killed and which may still be saving.
/// </summary>
internal sealed class AzuriteFolder : IDisposable
{
    private static readonly TimeSpan TimeToSave = TimeSpan.FromSeconds(10);

    // Process ids are used again; with their start time they are not. The system reports it a little differently each time.
    private static readonly TimeSpan SameStart = TimeSpan.FromSeconds(2);

    private readonly FileStream _lock;

    private AzuriteFolder(string path, FileStream @lock)
    {
        Path = path;
        _lock = @lock;
    }

    public string Path { get; }

    public static async Task<AzuriteFolder> OpenAsync(string path, CancellationToken cancellationToken)
    {
        var folder = System.IO.Path.GetFullPath(path);
        Directory.CreateDirectory(folder);
        var file = System.IO.Path.Combine(folder, "azurite.lock");
        FileStream @lock;
        try
        {
            @lock = new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (File.Exists(file))
        {
            throw new InvalidOperationException($"{folder} is in use by another process; stop it first, or choose another folder.", e);
        }

        try
        {
            await WaitForPreviousAsync(@lock, cancellationToken);
            return new AzuriteFolder(folder, @lock);
        }
        catch
        {
            await @lock.DisposeAsync();
            throw;
        }
    }

    public void HeldBy(Process process)
    {
        _lock.SetLength(0);
        _lock.Write(Encoding.ASCII.GetBytes($"{process.Id} {StartTicks(process)}"));
        _lock.Flush(flushToDisk: true);
    }

    public void Dispose() => _lock.Dispose();

    private static async Task WaitForPreviousAsync(FileStream @lock, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(@lock, leaveOpen: true);
        var words = (await reader.ReadToEndAsync(cancellationToken)).Split(' ');
        if (words.Length != 2 || !int.TryParse(words[0], out var id) || !long.TryParse(words[1], out var startTicks))
        {
            return;
        }

        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        late.CancelAfter(TimeToSave);
        try
        {
            using var process = Process.GetProcessById(id);
            if (Math.Abs(StartTicks(process) - startTicks) < SameStart.Ticks)
            {
                await process.WaitForExitAsync(late.Token);
            }
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException or Win32Exception)
        {
            // It has ended, or its id belongs to a program of someone else.
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new InvalidOperationException($"The Azurite of an earlier run, process {id}, still uses {@lock.Name}; end it first.");
        }
    }

    private static long StartTicks(Process process) => process.StartTime.ToUniversalTime().Ticks;
}
