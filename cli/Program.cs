using System.CommandLine;
using System.Text;
using Batch.Cli;
using Batch.Cli.Commands;

Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
Console.InputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);

var root = new RootCommand("Batch turns queued writing jobs into text. Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 no server.")
{
    DemoCommand.Create(),
    ServeCommand.Create(),
    SubmitCommand.Create(),
    JobCommands.CreateWatch(),
    JobCommands.CreateResult(),
    JobCommands.CreateCancel(),
    JobCommands.CreateReplay(),
    ScheduleCommands.Create(),
    BatchCommands.Create(),
    FileCommands.Create(),
    EndpointCommands.Create(),
    KeyCommands.Create(),
    VerifyCommand.Create(),
    DoctorCommand.Create(),
    GenerateCommand.Create(),
    TokenizeCommand.Create(),
};
// A server that is told to stop lets its jobs finish or hands them back before it goes.
var timeToStop = TimeSpan.FromMinutes(1);
var parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    await parsed.InvokeAsync();
    return ExitCode.Usage;
}
try
{
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = timeToStop });
}
catch (Exception e) when (Report(e) is var code && code != 0)
{
    return code;
}

// What the user can mend is said in one line; a bug keeps its stack trace.
static int Report(Exception error)
{
    int code = error switch
    {
        ArgumentException or Batch.Jobs.Requests.InvalidJobException => ExitCode.Usage,
        HttpRequestException => ExitCode.Unreachable,
        IOException or InvalidDataException or NotSupportedException or InvalidOperationException => ExitCode.Failure,
        OperationCanceledException => ExitCode.Failure,
        _ => 0,
    };
    if (code != 0 && error is not OperationCanceledException)
    {
        Console.Error.WriteLine($"error: {error.Message}");
    }
    return code;
}
