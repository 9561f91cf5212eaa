using System.Text.Json;
using Batch.Inference;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Batches;

/// <summary>One request of a batch: <c>{"custom_id", "method", "url", "body"}</c>. Owns the document that holds its body.</summary>
internal sealed class BatchLine(JsonDocument document, string customId, JsonElement body) : IDisposable
{
    private const int LongestCustomId = 512;

    public string CustomId => customId;

    public JsonElement Body => body;

    public string? Model => body.TryGetProperty("model", out var model) && model.ValueKind == JsonValueKind.String ? model.GetString() : null;

    /// <summary>Throws <see cref="InvalidLineException"/>: the line's frame is wrong. What is in its body is looked at when it runs.</summary>
    public static BatchLine Parse(ReadOnlyMemory<byte> text, string endpoint)
    {
        var document = ReadJson(text);
        try
        {
            return Read(document, endpoint);
        }
        catch (InvalidLineException)
        {
            document.Dispose();
            throw;
        }
    }

    public void Dispose() => document.Dispose();

    private static JsonDocument ReadJson(ReadOnlyMemory<byte> text)
    {
        try
        {
            return JsonText.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
        }
        catch (NotUnicodeException)
        {
            throw new InvalidLineException("invalid_json_line", "the line holds text that is not Unicode, such as half a surrogate pair", null);
        }
        catch (JsonException e)
        {
            throw new InvalidLineException("invalid_json_line", $"the line is not valid JSON at byte {e.BytePositionInLine + 1}; a line is one object", null);
        }
    }

    private static BatchLine Read(JsonDocument document, string endpoint)
    {
        var root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new InvalidLineException("invalid_json_line", $"a line must be a JSON object, was {JsonField.Describe(root)}", null);
        }

        string? customId = null;
        JsonElement? body = null;
        var (method, url) = ("", "");
        foreach (var field in root.EnumerateObject())
        {
            switch (field.Name)
            {
                case "custom_id": customId = Text(field); break;
                case "method": method = Text(field); break;
                case "url": url = Text(field); break;
                case "body": body = field.Value; break;
                default: throw Wrong(field.Name, $"unknown field {JsonField.Quote(field.Name)}; a line has custom_id, method, url and body");
            }
        }

        _ = customId is { Length: > 0 and <= LongestCustomId } ? 0 : throw Wrong("custom_id", $"custom_id must be a string of 1 to {LongestCustomId} characters");
        _ = method == "POST" ? 0 : throw Wrong("method", $"method must be POST, was {JsonField.Quote(method)}");
        _ = url == endpoint ? 0 : throw new InvalidLineException("url_mismatch", $"url must be the batch's endpoint {endpoint}, was {JsonField.Quote(url)}", "url");
        if (body is not { ValueKind: JsonValueKind.Object } request)
        {
            throw Wrong("body", "body must be an object");
        }

        return request.TryGetProperty("stream", out var stream) && stream.ValueKind == JsonValueKind.True
            ? throw Wrong("stream", "stream must be false or left out: the lines of a batch are not streamed")
            : new BatchLine(document, customId, request);
    }

    private static string Text(JsonProperty field) => field.Value.ValueKind == JsonValueKind.String
        ? field.Value.GetString()!
        : throw Wrong(field.Name, $"{field.Name} must be a string, was {JsonField.Describe(field.Value)}");

    private static InvalidLineException Wrong(string param, string message) => new(JobErrorCode.InvalidRequest, message, JsonField.Clip(param));
}

/// <summary>Why a line of an input cannot be taken; it stops the batch before anything of it runs.</summary>
internal sealed class InvalidLineException(string code, string message, string? param) : Exception(message)
{
    public string Code => code;

    public string? Param => param;
}
