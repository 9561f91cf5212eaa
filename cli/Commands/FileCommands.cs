using System.CommandLine;
using System.Text.Json;

namespace Batch.Cli.Commands;

/// <summary>files upload, list, content, delete.</summary>
internal static class FileCommands
{
    public static Command Create() => new("files", "Upload files, read and delete them") { CreateUpload(), CreateList(), CreateContent(), CreateDelete() };

    private static Command CreateUpload()
    {
        var file = new Argument<FileInfo>("FILE") { Description = "JSONL file of a batch" };
        var server = new ServerOption();
        var command = new Command("upload", "Upload a file and print its id") { file };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            Console.Out.WriteLine(await server.Connect(given).UploadAsync(given.GetValue(file)!, cancellationToken));
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateList()
    {
        var server = new ServerOption();
        var command = new Command("list", "Show the files, one JSON object a line");
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var page = await server.Connect(given).SendAsync(HttpMethod.Get, "v1/files", null, cancellationToken);
            foreach (var file in page.GetProperty("data").EnumerateArray())
            {
                Console.Out.WriteLine(JsonSerializer.Serialize(file, Output.Json));
            }
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateContent() => OnFile("content", "Print a file", async (client, id, cancellationToken) =>
        await client.DownloadAsync($"v1/files/{id}/content", Console.OpenStandardOutput(), cancellationToken));

    private static Command CreateDelete() => OnFile("delete", "Delete a file", async (client, id, cancellationToken) =>
    {
        await client.SendAsync(HttpMethod.Delete, $"v1/files/{id}", null, cancellationToken);
        Console.Out.WriteLine($"{id} is deleted");
    });

    private static Command OnFile(string verb, string description, Func<BatchClient, string, CancellationToken, Task> act)
    {
        var id = new Argument<string>("ID") { Description = "The file" };
        var server = new ServerOption();
        var command = new Command(verb, description) { id };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            await act(server.Connect(given), Uri.EscapeDataString(given.GetValue(id)!), cancellationToken);
            return ExitCode.Success;
        });
        return command;
    }
}
