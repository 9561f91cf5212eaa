using System.Runtime.CompilerServices;
using System.Text.Json;
using Azure;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using CsvHelper;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Schedules;

/// <summary>Reads the rows of a schedule's blob, one after the other: CSV with a header (RFC 4180), or JSON lines of flat objects.</summary>
public sealed class RowsReader(StorageClients clients, IOptions<JobsOptions> options)
{
    private const string Field = "rows_blob";

    private static readonly CsvReaderOptions CsvOptions = new()
    {
        Separator = ',',
        DetectSeparatorHint = false,
        MalformedData = CsvMalformedDataHandling.Throw,
        FieldCountMismatch = CsvFieldCountHandling.Throw,
        MaxRecordSize = 1 << 20,
        IncludeValuesInExceptions = false,
    };

    public async IAsyncEnumerable<IReadOnlyDictionary<string, string>> ReadAsync(string address, int most, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var content = await OpenAsync(address, cancellationToken);
        var rows = address.EndsWith(".csv", StringComparison.OrdinalIgnoreCase) ? ReadCsvAsync(content, cancellationToken) : ReadLinesAsync(content, cancellationToken);
        var count = 0;
        await foreach (var row in rows)
        {
            yield return ++count <= most ? row : throw Refused($"must have at most {most} rows, has more");
        }
    }

    private async Task<Stream> OpenAsync(string address, CancellationToken cancellationToken)
    {
        var slash = address.IndexOf('/', StringComparison.Ordinal);
        if (slash < 1 || slash == address.Length - 1 || !BlobAddress.StaysInside(address))
        {
            throw Refused("must be 'container/name', such as inputs/topics.csv, without . and .. as parts");
        }

        var (container, name) = (address[..slash], address[(slash + 1)..]);
        if (!options.Value.AllowsContainer(container))
        {
            throw Refused($"must lie in one of the containers {options.Value.InputContainers}, was in {JsonField.Quote(container)}");
        }

        try
        {
            return await clients.Blobs.GetBlobContainerClient(container).GetBlobClient(name).OpenReadAsync(cancellationToken: cancellationToken);
        }
        catch (RequestFailedException e) when (e.Status is 400 or 404)
        {
            throw new InvalidJobException(JobErrorCode.InputNotFound, $"{Field} {JsonField.Quote(address)} was not found", Field);
        }
    }

    private static async IAsyncEnumerable<IReadOnlyDictionary<string, string>> ReadCsvAsync(Stream content, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var csv = CsvReader.Create(content, CsvOptions, leaveOpen: true);
        while (await ReadRowAsync(csv, cancellationToken))
        {
            var row = new Dictionary<string, string>(StringComparer.Ordinal);
            for (var column = 0; column < csv.FieldCount; column++)
            {
                row.TryAdd(csv.Headers[column], csv.GetString(column));
            }

            yield return row;
        }
    }

    private static async Task<bool> ReadRowAsync(CsvReader csv, CancellationToken cancellationToken)
    {
        try
        {
            return await csv.ReadAsync(cancellationToken);
        }
        catch (CsvFormatException e)
        {
            throw Refused($"is no CSV: {e.Message}");
        }
    }

    private static async IAsyncEnumerable<IReadOnlyDictionary<string, string>> ReadLinesAsync(Stream content, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(content, leaveOpen: true);
        for (var number = 1; await reader.ReadLineAsync(cancellationToken) is { } line; number++)
        {
            if (line.Length > 0)
            {
                yield return Row(line, number);
            }
        }
    }

    private static Dictionary<string, string> Row(string line, int number)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            return json.RootElement.EnumerateObject().ToDictionary(field => field.Name, field => field.Value.ToString(), StringComparer.Ordinal);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            throw Refused($"line {number} is no JSON object with each field once");
        }
    }

    private static InvalidJobException Refused(string why) => new(JobErrorCode.InvalidRequest, $"{Field} {why}", Field);
}
