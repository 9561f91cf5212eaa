using System.Text.Json;
using Batch.Jobs.Files;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Batches;

/// <summary>
/// What <c>POST /v1/batches</c> asks for, checked: an uploaded file or, in Azure's dialect, a blob. <c>priority</c> and <c>webhook_url</c>
/// are extensions.
/// </summary>
public sealed record BatchRequest
{
    public static readonly IReadOnlyList<string> Endpoints = ["/v1/completions", "/v1/chat/completions"];

    /// <summary>An uploaded file of purpose batch.</summary>
    public string? InputFileId { get; init; }

    /// <summary>Azure's dialect: an address in the account, or container/name.</summary>
    public string? InputBlob { get; init; }

    /// <summary>Azure's dialect: where the output and error blobs go.</summary>
    public string? OutputFolder { get; init; }

    /// <summary>The url of every line.</summary>
    public string Endpoint { get; init; } = "";

    /// <summary>From a second to a year: 24h, 30m, 7d, PT90M.</summary>
    public string CompletionWindow { get; init; } = "";

    /// <summary>Up to 16 pairs, keys of 64 and values of 512 characters.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; init; }

    /// <summary>How long the output and error files are kept.</summary>
    public long? OutputLifeSeconds { get; init; }

    /// <summary>Higher numbers are admitted first.</summary>
    public int Priority { get; init; }

    /// <summary>Told of its end, in OpenAI's body.</summary>
    public string? WebhookUrl { get; init; }

    public static BatchRequest Parse(ReadOnlyMemory<byte> body)
    {
        using var json = JobRequestParser.ReadJson(body);
        return Check(JsonField.Fields(json.RootElement).Aggregate(new BatchRequest(), (request, field) => field.Name switch
        {
            "input_file_id" => request with { InputFileId = JsonField.Text(field, 128) },
            "input_blob" => request with { InputBlob = JsonField.Text(field, 2048) },
            "output_folder" => request with { OutputFolder = ReadFolder(field) },
            "endpoint" => request with { Endpoint = ReadEndpoint(field) },
            "completion_window" => request with { CompletionWindow = ReadWindow(field) },
            "metadata" => request with { Metadata = JsonField.Metadata(field) },
            "output_expires_after" => request with { OutputLifeSeconds = ReadLife(field) },
            "priority" => request with { Priority = JsonField.Integer(field) },
            "webhook_url" => request with { WebhookUrl = JsonField.WebAddress(field) },
            _ => throw JsonField.Unknown(field),
        }));
    }

    private static BatchRequest Check(BatchRequest request) => request switch
    {
        { Endpoint: "" } => throw Missing("endpoint"),
        { CompletionWindow: "" } => throw Missing("completion_window"),
        { InputFileId: null, InputBlob: null } => throw Missing("input_file_id"),
        { InputFileId: not null, InputBlob: not null } => throw new InvalidJobException(
            JobErrorCode.InvalidRequest, "give one of input_file_id and input_blob, saw both", "input_blob"),
        { InputBlob: null, OutputFolder: not null } or { InputBlob: not null, OutputFolder: null } => throw new InvalidJobException(
            JobErrorCode.InvalidRequest, "input_blob and output_folder.url go together, saw one of them", "output_folder"),
        _ => request,
    };

    private static InvalidJobException Missing(string field) => new(JobErrorCode.InvalidRequest, $"{field} must be given, was not", field);

    private static string ReadEndpoint(JsonProperty field)
    {
        var endpoint = JsonField.Text(field, 256);
        return Endpoints.Contains(endpoint)
            ? endpoint
            : throw JsonField.Wrong(field, string.Join(" or ", Endpoints), JsonField.Quote(endpoint));
    }

    private static string ReadWindow(JsonProperty field)
    {
        var window = JsonField.Text(field, 64);
        return Batches.CompletionWindow.Read(window) is not null
            ? window
            : throw JsonField.Wrong(field, "a duration from 1s to 365d, such as 24h, 30m, 7d or PT90M", JsonField.Quote(window));
    }

    private static long ReadLife(JsonProperty field)
    {
        long? seconds = null;
        var anchor = "";
        foreach (var part in JsonField.Fields(field.Value))
        {
            switch (part.Name)
            {
                case "anchor": anchor = JsonField.Text(part, 64); break;
                case "seconds": seconds = JsonField.Integer(part); break;
                default: throw JsonField.Unknown(part);
            }
        }

        FileIntake.RequireAnchor(anchor);
        return (long)FileIntake.RequireLife(seconds ?? 0, field.Name).TotalSeconds;
    }

    private static string ReadFolder(JsonProperty field)
    {
        var url = "";
        foreach (var part in JsonField.Fields(field.Value))
        {
            url = part.Name is "url" ? JsonField.Text(part, 2048) : throw JsonField.Unknown(part);
        }

        return url.Length > 0 ? url : throw Missing("output_folder.url");
    }
}
