using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Batch.Functions.OpenApi;
using Batch.Functions.Tests;

namespace Batch.Cli.Tests;

/// <summary>
/// Every curl of the documentation, in order, against <c>serve</c>, with what a reader would put in: the address, the key, a file, the ids of the answers
/// before. A comment that says "once …" is a reader who waits; a number in a comment is the status, else it is the one that the route promises.
/// </summary>
public sealed partial class DocumentedCommandsTests : IDisposable
{
    private const string Shown = "http://127.0.0.1:7071";

    private readonly DirectoryInfo _data = Directory.CreateTempSubdirectory("batch-docs-");
    private readonly Dictionary<string, List<string>> _ids = [];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static string Repository { get; } = FindRepository();

    public void Dispose() => _data.Delete(recursive: true);

    [Theory]
    [InlineData("docs/api.md", 58)]
    [InlineData("README.md", 2)]
    [InlineData("docs/deploy.md", 2)]
    public async Task EveryCurl_DoesWhatThePageSays(string page, int least)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() || OperatingSystem.IsMacOS(), "the commands are of a POSIX shell");
        Assert.SkipUnless(Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, "curl"))), "this machine has no curl");
        await using var receiver = Receiver.Start();
        await using var server = BatchCommand.Start("serve", "--port", "0", "--data", _data.FullName, "--set", "Engine:Device=cpu");
        var url = Address().Match(await server.WaitForLineAsync("Batch is ready on")).Value;
        var key = Key().Match(await server.WaitForLineAsync("API key: ")).Value;
        await WriteInputAsync();

        var commands = Commands(await File.ReadAllTextAsync(Path.Combine(Repository, page), Token)).ToList();
        foreach (var command in commands)
        {
            await RunAsync(command.Replace(Shown, "$BATCH_URL", StringComparison.Ordinal), url, key, receiver.Address);
        }

        Assert.True(commands.Count >= least, $"{page} has {commands.Count} commands");
        Assert.Equal(0, await server.StopAsync());
    }

    private async Task RunAsync(string command, string url, string key, Uri receiver)
    {
        var (method, path, comment) = Read(command);
        var expected = Status().Match(comment) is { Success: true } told ? int.Parse(told.Value, null) : PromisedStatus(method, path);
        var filled = Fill(command.Replace("https://…", receiver.AbsoluteUri, StringComparison.Ordinal).Replace("https://example.org/hook", receiver.AbsoluteUri, StringComparison.Ordinal));
        var waits = comment.Contains("once ", StringComparison.Ordinal);
        while (true)
        {
            var (status, answer) = await CurlAsync(filled, url, key);
            if (status == expected && !(waits && answer.Contains("\"data\":[]", StringComparison.Ordinal)))
            {
                Keep(method, answer);
                return;
            }

            Assert.True(waits, $"{filled}\nanswered {status} instead of {expected}: {answer}");
        }
    }

    private async Task<(int Status, string Answer)> CurlAsync(string command, string url, string key)
    {
        var start = new ProcessStartInfo("sh", ["-c", $"curl -s -w '\\n%{{http_code}}' {command["curl ".Length..]}"])
        {
            WorkingDirectory = _data.FullName,
            RedirectStandardOutput = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        (start.Environment["BATCH_URL"], start.Environment["BATCH_API_KEY"]) = (url, key);
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);
        var end = output.LastIndexOf('\n');
        Assert.True(process.ExitCode == 0, $"{command} ended with {process.ExitCode}");
        return (int.Parse(output[(end + 1)..], null), output[..end]);
    }

    // The ids of answers: of objects that were made, the oldest that was not deleted; of deliveries, the one that was seen last.
    private void Keep(string method, string answer)
    {
        if (!answer.Contains('{', StringComparison.Ordinal) || answer.Contains("data: ", StringComparison.Ordinal))
        {
            return;
        }

        var json = JsonElement.Parse(answer[answer.IndexOf('{', StringComparison.Ordinal)..].Split('\n')[0]);
        var made = json.TryGetProperty("data", out var data) && data.ValueKind == JsonValueKind.Array && data.GetArrayLength() > 0 ? data[0] : json;
        if (!made.TryGetProperty("id", out var id) || Prefix().Match(id.GetString()!) is not { Success: true } prefix)
        {
            return;
        }

        var known = _ids.TryGetValue(prefix.Value, out var ids) ? ids : _ids[prefix.Value] = [];
        if (prefix.Value == "del_")
        {
            known.Clear();
        }

        if (method == "DELETE")
        {
            known.Remove(id.GetString()!);
        }
        else if (!known.Contains(id.GetString()!))
        {
            known.Add(id.GetString()!);
        }
    }

    private string Fill(string command) => Placeholder().Replace(command, match =>
        _ids.TryGetValue(match.Groups[1].Value, out var ids) && ids.Count > 0 ? ids[0] : throw new InvalidOperationException($"no answer gave {match.Value} before {command}"));

    // A batch that goes on for some seconds, until it is cancelled.
    private async Task WriteInputAsync()
    {
        var lines = Enumerable.Range(1, 100).Select(i => JsonSerializer.Serialize(new
        {
            custom_id = $"line-{i}",
            method = "POST",
            url = "/v1/completions",
            body = new { prompt = $"Chapter {i}. The road", max_tokens = 400, ignore_eos = true },
        }));
        await File.WriteAllLinesAsync(Path.Combine(_data.FullName, "input.jsonl"), lines, Token);
        var examples = Directory.CreateDirectory(Path.Combine(_data.FullName, "examples"));
        foreach (var example in Directory.EnumerateFiles(Path.Combine(Repository, "examples")))
        {
            File.Copy(example, Path.Combine(examples.FullName, Path.GetFileName(example)));
        }
    }

    // The curls of the page's shell blocks that ask this API, lines that go on put together.
    private static IEnumerable<string> Commands(string page)
    {
        var open = "";
        foreach (var line in Block().Matches(page).SelectMany(block => block.Groups[1].Value.Split('\n')))
        {
            open = open.Length == 0 ? line : $"{open}\n{line}";
            if (open.EndsWith('\\') || open.Count(c => c == '\'') % 2 == 1)
            {
                continue;
            }

            if (open.StartsWith("curl ", StringComparison.Ordinal) && (open.Contains("BATCH_URL", StringComparison.Ordinal) || open.Contains(Shown, StringComparison.Ordinal)))
            {
                yield return open;
            }

            open = "";
        }
    }

    private static (string Method, string Path, string Comment) Read(string command)
    {
        var comment = command.LastIndexOf(" #", StringComparison.Ordinal) is > 0 and var at ? command[at..] : "";
        var method = Method().Match(command) is { Success: true } given ? given.Groups[1].Value : Body().IsMatch(command) ? "POST" : "GET";
        return (method, PathOf().Match(command).Groups[1].Value, comment);
    }

    private static int PromisedStatus(string method, string path) =>
        ApiRoute.All.Where(route => route.Matches(path) && route.Methods.Contains(method)).MinBy(route => route.Parameters.Count)?.Operation!.Status
        ?? throw new InvalidOperationException($"there is no {method} {path}");

    private static string FindRepository()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "Batch.sln")))
        {
            folder = folder.Parent;
        }

        return folder.FullName;
    }

    [GeneratedRegex("```sh\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Block();

    [GeneratedRegex("-X ([A-Z]+)")]
    private static partial Regex Method();

    [GeneratedRegex(" -[dF] ")]
    private static partial Regex Body();

    [GeneratedRegex("""BATCH_URL(/[^\s"'?]*)""")]
    private static partial Regex PathOf();

    [GeneratedRegex("(?<![0-9])[2-5][0-9][0-9](?![0-9])")]
    private static partial Regex Status();

    [GeneratedRegex("([a-z]+[_-])…")]
    private static partial Regex Placeholder();

    [GeneratedRegex("^[a-z]+[_-]")]
    private static partial Regex Prefix();

    [GeneratedRegex(@"http://127\.0\.0\.1:\d+")]
    private static partial Regex Address();

    [GeneratedRegex("sk-[A-Za-z0-9_-]{43}")]
    private static partial Regex Key();
}
