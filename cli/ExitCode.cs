namespace Batch.Cli;

/// <summary>What a command tells the shell.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>The work itself failed: a job did, a file is missing, a model does not load.</summary>
    public const int Failure = 1;

    /// <summary>The command line is not understood, or an argument is out of range.</summary>
    public const int Usage = 2;

    /// <summary>No server answers.</summary>
    public const int Unreachable = 3;
}
