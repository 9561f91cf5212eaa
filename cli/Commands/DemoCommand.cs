using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Azure.Storage.Queues;
using Batch.Jobs.Storage;
using Spectre.Console;

namespace Batch.Cli.Commands;

/// <summary>Real jobs through the real path, shown from submission to event: start everything, submit the examples, follow them, stop everything.</summary>
internal static class DemoCommand
{
    public static Command Create()
    {
        var file = new Option<FileInfo>("--jobs") { Description = "JSONL file of jobs", DefaultValueFactory = _ => new FileInfo(Path.Combine(AppContext.BaseDirectory, "examples", "demo.jsonl")), HelpName = "FILE" };
        var data = new Option<string>("--data") { Description = "Folder for queues, tables and blobs; emptied first", DefaultValueFactory = _ => ".data/demo", HelpName = "FOLDER" };
        var model = DefaultModel.Option();
        var command = new Command("demo", "Run the example jobs through queue, engine, blob and event, and show what happens") { file, data, model };
        command.SetAction((given, cancellationToken) => RunAsync(given.GetValue(file)!, given.GetValue(data)!, given.GetValue(model)!, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(FileInfo file, string data, string model, CancellationToken cancellationToken)
    {
        var jobs = await JobFile.ReadAsync(file.FullName, cancellationToken);
        DemoFolder.Empty(data);
        Step($"Starting storage (Azurite) and the functions; data in {Path.GetFullPath(data)}");
        await using var server = await LocalServer.StartAsync(data, model, port: 0, ["Logging:LogLevel:Default=Error"], Step, cancellationToken);
        await server.WaitUntilReadyAsync(cancellationToken);

        Step($"Submitting {jobs.Count} jobs to {server.Url}v1/jobs");
        var client = ServerOption.Connect(server.Url, server.ApiKey);
        var submitted = new List<DemoJob>();
        foreach (var job in jobs)
        {
            submitted.Add(new DemoJob(await client.SubmitAsync(job, cancellationToken), job, "succeeded"));
        }
        submitted.Add(await EnqueueBadJobAsync(client, server.StorageConnection, cancellationToken));

        var titles = submitted.ToDictionary(job => job.Id, job => job.Title);
        var ended = await JobWatch.RunAsync(client, [.. titles.Keys], json: false, cancellationToken, job => titles[job.Id]);

        DemoReport.Texts(submitted, ended);
        await DemoReport.StorageAsync(server.StorageConnection, ended, cancellationToken);
        Step($"Stopping. To look around: dotnet run --project cli -- serve --data {data}");
        var surprises = ended.Zip(submitted).Where(pair => pair.First.Status != pair.Second.ExpectedStatus).ToList();
        surprises.ForEach(pair => Console.Error.WriteLine($"{pair.Second.Title} ended {pair.First.Status}: {pair.First.Error}"));
        return surprises.Count == 0 ? ExitCode.Success : ExitCode.Failure;
    }

    // The other way in: a message that is the job itself. This one is bad on purpose; over HTTP it would have been refused at once.
    private static async Task<DemoJob> EnqueueBadJobAsync(BatchClient client, string storage, CancellationToken cancellationToken)
    {
        Step($"Putting one job straight on the queue {JobQueues.Jobs}, bad on purpose");
        var message = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "examples", "queue-message.json"), cancellationToken);
        await new QueueClient(storage, JobQueues.Jobs, StorageClients.QueueOptions).SendMessageAsync(message, cancellationToken);
        var job = JsonNode.Parse(message)!.AsObject();
        var id = job["id"]!.ToString();
        while (await client.FindAsync(id, cancellationToken) is null)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(200), cancellationToken);
        }
        return new DemoJob(id, job, "failed");
    }

    private static void Step(string what) => AnsiConsole.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[bold]>[/] {what}");
}

/// <summary>The demo begins anew each time; it only ever empties a folder that it made.</summary>
internal static class DemoFolder
{
    private const string Mark = ".batch-demo";

    public static void Empty(string folder)
    {
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
        {
            if (!File.Exists(Path.Combine(folder, Mark)))
            {
                throw new InvalidOperationException($"{folder} holds files that no demo wrote; name another folder with --data");
            }
            Directory.Delete(folder, recursive: true);
        }
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, Mark), "");
    }
}
