namespace Batch.Cli.Doctor;

/// <summary>How grave a finding is. Only a problem makes the exit code 1.</summary>
internal enum Severity
{
    Ok,
    Note,
    Warning,
    Problem,
}

/// <param name="Area">What was looked at: settings, host.json, storage, model, machine.</param>
/// <param name="Message">What was seen, and what was wanted.</param>
/// <param name="Fix">What to do; null where nothing is to be done.</param>
internal sealed record Finding(string Area, Severity Severity, string Message, string? Fix = null)
{
    public static Finding Ok(string area, string message) => new(area, Severity.Ok, message);

    public static Finding Note(string area, string message, string? fix = null) => new(area, Severity.Note, message, fix);

    public static Finding Warning(string area, string message, string fix) => new(area, Severity.Warning, message, fix);

    public static Finding Problem(string area, string message, string fix) => new(area, Severity.Problem, message, fix);
}
