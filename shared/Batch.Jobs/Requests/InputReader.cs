using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Requests;

/// <summary>
/// Reads a submission whose prompt may lie in a blob: <c>"input_blob": "container/name"</c> is the prompt's text, or, as JSON, a submission
/// itself over which the fields beside <c>input_blob</c> are laid.
/// </summary>
public sealed class InputReader(JobStore store, EngineHost engines, IOptions<JobsOptions> options)
{
    private const string Field = "input_blob";

    public async Task<JobRequest> ReadAsync(JsonElement root, CancellationToken cancellationToken)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty(Field, out var address))
        {
            return JobRequestParser.Parse(root);
        }

        var blob = await FindAsync(address, cancellationToken);
        var merged = blob.IsJson ? ReadObject(blob.Content) : new JsonObject { ["prompt"] = ReadText(blob.Content) };
        foreach (var field in root.EnumerateObject().Where(field => field.Name != Field))
        {
            merged[field.Name] = JsonSerializer.SerializeToNode(field.Value);
        }

        if (root.TryGetProperty("prompt", out _) || root.TryGetProperty("messages", out _))
        {
            throw new InvalidJobException(
                JobErrorCode.InvalidRequest, "give exactly one of prompt, messages and input_blob, saw input_blob beside another", Field);
        }

        return JobRequestParser.Parse(JsonSerializer.SerializeToElement(merged));
    }

    internal void RequireModel(string? asked) => engines.Find(asked);

    private async Task<InputBlob> FindAsync(JsonElement address, CancellationToken cancellationToken)
    {
        var path = address.ValueKind == JsonValueKind.String ? address.GetString()! : "";
        var slash = path.IndexOf('/', StringComparison.Ordinal);
        if (slash < 1 || slash == path.Length - 1 || !BlobAddress.StaysInside(path))
        {
            throw new InvalidJobException(
                JobErrorCode.InvalidRequest, "input_blob must be 'container/name', such as inputs/article.txt, of at most 1024 characters and without . and .. as parts", Field);
        }

        var (container, name) = (path[..slash], path[(slash + 1)..]);
        if (!options.Value.AllowsContainer(container))
        {
            throw new InvalidJobException(
                JobErrorCode.InputNotFound,
                $"input_blob must lie in one of the containers {options.Value.InputContainers}, was in {JsonField.Quote(container)}",
                Field);
        }

        return await store.FindInputAsync(container, name, options.Value.MaxInputBytes, cancellationToken)
            ?? throw new InvalidJobException(
                JobErrorCode.InputNotFound, $"input_blob {JsonField.Quote(path)} was not found; upload it before the job is submitted",
                Field);
    }

    private static JsonObject ReadObject(ReadOnlyMemory<byte> content)
    {
        using var document = JobRequestParser.ReadJson(content);
        return document.RootElement.ValueKind == JsonValueKind.Object
            ? JsonObject.Create(document.RootElement.Clone())!
            : throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"input_blob as JSON must hold an object, held {JsonField.Describe(document.RootElement)}",
                Field);
    }

    private static string ReadText(ReadOnlyMemory<byte> content)
    {
        try
        {
            var text = content.Span.StartsWith("\uFEFF"u8) ? content[3..] : content;
            return new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(text.Span);
        }
        catch (DecoderFallbackException)
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, "input_blob must hold UTF-8 text, held other bytes", Field);
        }
    }
}
