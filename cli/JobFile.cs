using System.Text.Json;
using System.Text.Json.Nodes;

namespace Batch.Cli;

/// <summary>Reads jobs from a JSONL file: one JSON object a line, with the fields of <c>POST /v1/jobs</c>.</summary>
internal static class JobFile
{
    public static async Task<IReadOnlyList<JsonObject>> ReadAsync(string path, CancellationToken cancellationToken)
    {
        var jobs = new List<JsonObject>();
        var number = 0;
        await foreach (var line in File.ReadLinesAsync(path, cancellationToken))
        {
            number++;
            if (!string.IsNullOrWhiteSpace(line))
            {
                jobs.Add(Parse(path, number, line));
            }
        }
        return jobs.Count > 0 ? jobs : throw new InvalidDataException($"{path} holds no jobs; a job is a JSON object on a line of its own");
    }

    private static JsonObject Parse(string path, int number, string line)
    {
        try
        {
            return JsonNode.Parse(line) as JsonObject ?? throw new JsonException("it is no object");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path}, line {number}: a JSON object is expected: {e.Message}");
        }
    }
}
