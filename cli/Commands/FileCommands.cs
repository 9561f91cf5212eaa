using System.CommandLine;
using System.Text.Json;

namespace Batch.Cli.Commands;

/// <summary>files upload, list, show, content, delete.</summary>
internal static class FileCommands
{
    public static Command Create() => new("files", "Upload files, read and delete them") { CreateUpload(), CreateList(), CreateShow(), CreateContent(), CreateDelete() };

    private static Command CreateUpload()
    {
        var file = new Argument<FileInfo>("FILE") { Description = "JSONL file of a batch" };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("upload", "Upload a file and print its id") { file, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var uploaded = await server.Connect(given).UploadAsync(given.GetValue(file)!, cancellationToken);
            Write(uploaded, given.GetValue(json), uploaded.GetProperty("id").GetString()!);
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateList()
    {
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("list", "Show the files, newest first, one a line") { json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var page = await server.Connect(given).SendAsync(HttpMethod.Get, "v1/files", null, cancellationToken);
            foreach (var file in page.GetProperty("data").EnumerateArray())
            {
                Write(file, given.GetValue(json), Line(file));
            }
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateContent()
    {
        var id = new Argument<string>("ID") { Description = "The file" };
        var server = new ServerOption();
        var command = new Command("content", "Print a file") { id };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            await server.Connect(given).DownloadAsync($"{Address(given.GetValue(id)!)}/content", Console.OpenStandardOutput(), cancellationToken);
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateShow() => OnFile("show", "Show a file, with a link to its bytes", HttpMethod.Get, file => $"{Line(file)}  {file.GetProperty("download_url").GetString()}");

    private static Command CreateDelete() => OnFile("delete", "Delete a file", HttpMethod.Delete, file => $"{file.GetProperty("id").GetString()} is deleted");

    private static Command OnFile(string verb, string description, HttpMethod method, Func<JsonElement, string> line)
    {
        var id = new Argument<string>("ID") { Description = "The file" };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command(verb, description) { id, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var answer = await server.Connect(given).SendAsync(method, Address(given.GetValue(id)!), null, cancellationToken);
            Write(answer, given.GetValue(json), line(answer));
            return ExitCode.Success;
        });
        return command;
    }

    private static void Write(JsonElement answer, bool json, string line)
    {
        if (json)
        {
            Output.WriteJson(answer);
            return;
        }
        Console.Out.WriteLine(line);
    }

    private static string Line(JsonElement file) =>
        $"{file.GetProperty("id").GetString()}  {file.GetProperty("purpose").GetString()}  {file.GetProperty("bytes")} bytes  {DateTimeOffset.FromUnixTimeSeconds(file.GetProperty("created_at").GetInt64()):yyyy-MM-dd HH:mm:ss}Z  {file.GetProperty("filename").GetString()}";

    private static string Address(string id) => $"v1/files/{Uri.EscapeDataString(id)}";
}
