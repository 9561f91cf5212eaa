using System.CommandLine;

namespace Batch.Cli;

/// <summary>Where the server is, and a client for it.</summary>
internal sealed class ServerOption
{
    public const int DefaultPort = 7071; // the port of Azure Functions' own local tools

    private readonly Option<string> _url = new("--url")
    {
        Description = "Address of the server",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable("BATCH_URL") ?? $"http://127.0.0.1:{DefaultPort}",
    };

    private readonly Option<string?> _key = new("--key")
    {
        // No default value: help would print the key.
        Description = "API key, sk-…; by default that of BATCH_API_KEY, else the one serve keeps in .data/serve",
    };

    public void AddTo(Command command)
    {
        command.Options.Add(_url);
        command.Options.Add(_key);
    }

    public BatchClient Connect(ParseResult given) => Uri.TryCreate(given.GetValue(_url), UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
        ? Connect(url, given.GetValue(_key) ?? Environment.GetEnvironmentVariable("BATCH_API_KEY") ?? DevelopmentKey.Find(url))
        : throw new ArgumentException($"--url must be an http or https address, was '{given.GetValue(_url)}'");

    public static BatchClient Connect(Uri url, string? key = null)
    {
        // One client for the life of the process, so no factory is needed.
        var http = new HttpClient(new SocketsHttpHandler(), disposeHandler: true) { BaseAddress = new Uri(url.ToString().TrimEnd('/') + "/") };
        if (key is not null)
        {
            http.DefaultRequestHeaders.Authorization = new("Bearer", key);
        }
        return new BatchClient(http);
    }
}
