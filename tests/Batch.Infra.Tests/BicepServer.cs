using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>
/// The Bicep compiler as one process that is asked again and again, by JSON-RPC: a start takes it seconds, an answer once it is warm a fraction of one.
/// </summary>
public sealed class BicepServer : IDisposable
{
    // --name value, as the snapshots are written with.
    private static readonly Dictionary<string, string> Metadata =
        Repository.Metadata("SnapshotArguments").Split(' ').Chunk(2).ToDictionary(pair => pair[0], pair => pair[1]);

    private Process? _process;
    private int _lastId;

    /// <summary>The resources that a parameter file would deploy.</summary>
    /// <exception cref="InvalidOperationException">The template refuses the parameters.</exception>
    internal async Task<Snapshot> PredictAsync(string parameters)
    {
        var metadata = new
        {
            subscriptionId = Metadata["--subscription-id"],
            tenantId = Metadata["--tenant-id"],
            location = Metadata["--location"],
            deploymentName = Metadata["--deployment-name"],
            resourceGroup = (string?)null,
        };
        var answer = await AskAsync("bicep/getSnapshot", new { path = parameters, metadata, externalInputs = (string[]?)null });
        return Snapshot.Parse(answer.GetProperty("snapshot").GetString()!);
    }

    /// <summary>The result of a method. Tests of a class ask one after the other.</summary>
    /// <exception cref="InvalidOperationException">There is an error instead; the message is Bicep's.</exception>
    internal async Task<JsonElement> AskAsync(string method, object parameters)
    {
        if (_process is null)
        {
            _process = Bicep.Start(Repository.Infra, "jsonrpc", "--stdio");
            _process.ErrorDataReceived += (_, _) => { };
            _process.BeginErrorReadLine();
        }

        var cancellationToken = TestContext.Current.CancellationToken;
        var request = JsonSerializer.SerializeToUtf8Bytes(new { jsonrpc = "2.0", id = ++_lastId, method, @params = parameters });
        var input = _process.StandardInput.BaseStream;
        await input.WriteAsync(Encoding.ASCII.GetBytes($"Content-Length: {request.Length}\r\n\r\n"), cancellationToken);
        await input.WriteAsync(request, cancellationToken);
        await input.FlushAsync(cancellationToken);

        var answer = JsonElement.Parse(await ReadAsync(_process.StandardOutput.BaseStream, cancellationToken));
        Assert.Equal(_lastId, answer.GetProperty("id").GetInt32());
        return answer.TryGetProperty("result", out var result) ? result : throw new InvalidOperationException(answer.GetProperty("error").GetProperty("message").GetString());
    }

    public void Dispose()
    {
        _process?.Kill();
        _process?.Dispose();
    }

    // Content-Length: 123, an empty line, 123 bytes.
    private static async Task<byte[]> ReadAsync(Stream output, CancellationToken cancellationToken)
    {
        var (header, one) = (new StringBuilder(), new byte[1]);
        while (!header.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            await output.ReadExactlyAsync(one, cancellationToken);
            header.Append((char)one[0]);
        }

        var length = header.ToString().Split("\r\n").Single(line => line.StartsWith("Content-Length: ", StringComparison.Ordinal))["Content-Length: ".Length..];
        var content = new byte[int.Parse(length, CultureInfo.InvariantCulture)];
        await output.ReadExactlyAsync(content, cancellationToken);
        return content;
    }
}
