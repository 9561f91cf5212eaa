using System.CommandLine;

namespace Batch.Cli.Commands;

/// <summary>The whole system on one machine until Ctrl-C.</summary>
internal static class ServeCommand
{
    public static Command Create()
    {
        var port = new Option<int>("--port") { Description = "Loopback port; 0 takes a free one", DefaultValueFactory = _ => ServerOption.DefaultPort };
        var data = new Option<string>("--data") { Description = "Folder that keeps queues, tables and blobs over restarts", DefaultValueFactory = _ => DevelopmentKey.DefaultDataFolder, HelpName = "FOLDER" };
        var model = DefaultModel.Option();
        var settings = new Option<string[]>("--set") { Description = "A setting of the functions, such as Engine:DType=bfloat16; may be repeated", HelpName = "NAME=VALUE" };
        var command = new Command("serve", "Run storage, queues and HTTP API on this machine until Ctrl-C") { port, data, model, settings };
        command.SetAction(async (given, cancellationToken) =>
        {
            var folder = Path.GetFullPath(given.GetValue(data)!);
            await using var server = await LocalServer.StartAsync(folder, given.GetValue(model)!, given.GetValue(port), given.GetValue(settings) ?? [], Console.Error.WriteLine, cancellationToken);
            await server.WaitUntilReadyAsync(cancellationToken);
            Console.Out.WriteLine($"Batch is ready on {server.Url.GetLeftPart(UriPartial.Authority)}");
            Console.Out.WriteLine($"API key: {server.ApiKey} (tenant default, kept in {DevelopmentKey.FileIn(folder)})");
            Console.Out.WriteLine($"Storage: {server.StorageConnection}");
            Console.Out.WriteLine($"Data is kept in {folder}; webhooks are signed with the secret in {Path.Combine(folder, "webhook-secret")}. Ctrl-C stops.");
            await server.WaitForShutdownAsync(cancellationToken);
            return ExitCode.Success;
        });
        return command;
    }
}
