using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Batch.Jobs.Files;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Batches;

/// <summary>
/// Looks at every line of an input before one of them runs. On the way it copies the lines and notes where each slice lies. Any number of
/// times gives the same.
/// </summary>
public sealed class BatchValidator(
    BatchStore store, BatchBlobs blobs, StorageClients clients, FileStore files, EngineHost engines, IOptions<BatchOptions> options)
{
    private const int MostLines = 50_000;
    private const int MostErrors = 50;
    private const int UsualTokens = 256;
    private const int FewestSlices = 32;
    private const int LongestLine = 8 * 1024 * 1024;

    private static readonly byte[] LineFeed = "\n"u8.ToArray();

    internal async Task<BatchRow?> ValidateAsync(string tenant, string id, TimeProvider time, CancellationToken cancellationToken)
    {
        if (await store.FindAsync(tenant, id, cancellationToken) is not { State: BatchState.Validating } row)
        {
            return null;
        }

        var pass = new Pass(row.Endpoint, engines);
        try
        {
            await ReadAsync(row, pass, cancellationToken);
        }
        catch (InvalidJobException e)
        {
            pass.Errors.Add(new BatchError(e.Code, e.Message, e.Param, null));
        }

        var errors = pass.End();
        if (errors.Count == 0)
        {
            var slices = Cut(pass.Lines);
            await blobs.WriteIndexAsync(row, slices, cancellationToken);
            await blobs.WriteCustomIdsAsync(row, pass.CustomIds, slices, cancellationToken);

            // Checkpoint: the copy and its index are there. A crash before it does the same again.
            return await store.UpdateAsync(row, r => r.Begin(pass.Model, pass.Lines.Count, slices.Count, time.GetUtcNow()), cancellationToken);
        }

        return await store.UpdateAsync(row, r => r.Fail(errors, time.GetUtcNow()), cancellationToken);
    }

    private async Task ReadAsync(BatchRow row, Pass pass, CancellationToken cancellationToken)
    {
        if (await OpenAsync(row, pass, cancellationToken) is not { } input)
        {
            return;
        }

        await using var copy = await blobs.InputCopy(row).OpenWriteAsync(overwrite: true, cancellationToken: cancellationToken);
        await foreach (var line in UnchangedAsync(LineReader.ReadAsync(new CountedStream(input, FileIntake.MaxBytes), LongestLine, cancellationToken), row))
        {
            if (!pass.Take(line))
            {
                break;
            }

            if (line.Text.Length > 0 && pass.Errors.Count == 0)
            {
                await copy.WriteAsync(line.Text, cancellationToken);
                await copy.WriteAsync(LineFeed, cancellationToken);
            }
        }
    }

    private async Task<Stream?> OpenAsync(BatchRow row, Pass pass, CancellationToken cancellationToken)
    {
        BlobClient blob;
        if (row.InputBlob is { } path)
        {
            var slash = path.IndexOf('/', StringComparison.Ordinal);
            blob = clients.Blobs.GetBlobContainerClient(path[..slash]).GetBlobClient(path[(slash + 1)..]);
        }
        else if (await files.FindAsync(row.Tenant, row.InputFileId!, cancellationToken) is { } file)
        {
            blob = files.BlobOf(file);
        }
        else
        {
            pass.Errors.Add(new BatchError(JobErrorCode.InputNotFound, $"file {row.InputFileId} was deleted before the batch was validated", "input_file_id", null));
            return null;
        }

        try
        {
            return await blob.OpenReadAsync(new BlobOpenReadOptions(allowModifications: false), cancellationToken);
        }
        catch (RequestFailedException e) when (e.Status is 403 or 404)
        {
            pass.Errors.Add(new BatchError(JobErrorCode.InputNoPermissions, "the input was not found, or may not be read", row.InputBlob is null ? "input_file_id" : "input_blob", null));
            return null;
        }
    }

    // Every read names the version that the first one saw.
    private static async IAsyncEnumerable<InputLine> UnchangedAsync(IAsyncEnumerable<InputLine> lines, BatchRow row)
    {
        await using var line = lines.GetAsyncEnumerator();
        while (await MoveNextAsync(line))
        {
            yield return line.Current;
        }

        async ValueTask<bool> MoveNextAsync(IAsyncEnumerator<InputLine> line)
        {
            try
            {
                return await line.MoveNextAsync();
            }
            catch (RequestFailedException e) when (e.Status == 412)
            {
                throw new InvalidJobException(
                    JobErrorCode.InputModified, "the input was changed while it was read; create the batch again when it stays as it is", row.InputBlob is null ? "input_file_id" : "input_blob");
            }
        }
    }

    /// <summary>Slices of as many lines as allowed in a large batch, and of few in a small one, so that all replicas get some; the fewer slices, the fewer storage requests a line.</summary>
    private List<Slice> Cut(List<(int Number, int Bytes, long Tokens)> lines)
    {
        var most = Math.Clamp((lines.Count + FewestSlices - 1) / FewestSlices, 1, options.Value.SliceLines);
        var slices = new List<Slice>();
        var (offset, open) = (0L, default(Slice));
        foreach (var (number, bytes, tokens) in lines)
        {
            if (open.Lines > 0 && (open.Lines == most || open.Tokens + tokens > options.Value.SliceTokens))
            {
                slices.Add(open);
                open = default;
            }

            open = open.Lines == 0
                ? new Slice(offset, bytes, number, 1, tokens)
                : open with { Length = open.Length + bytes, Lines = open.Lines + 1, Tokens = open.Tokens + tokens };
            offset += bytes;
        }

        return [.. slices, open];
    }

    /// <summary>One reading of an input: what was seen, and what was wrong with it.</summary>
    private sealed class Pass(string endpoint, EngineHost engines)
    {
        private readonly HashSet<ulong> _customIds = [];
        private bool _read;
        private bool _first = true;

        public List<BatchError> Errors { get; } = [];

        /// <summary>Number, bytes with the line feed, and tokens of each line that is not blank.</summary>
        public List<(int Number, int Bytes, long Tokens)> Lines { get; } = [];

        /// <summary>The hash of each line's custom_id.</summary>
        public List<ulong> CustomIds { get; } = [];

        public string? Model { get; private set; }

        /// <summary>False when the rest need not be read.</summary>
        public bool Take(InputLine line)
        {
            _read = true;
            if (line.IsTooLong)
            {
                Errors.Add(new BatchError("invalid_json_line", $"a line must be at most {LongestLine} bytes, was longer", null, line.Number));
                return false;
            }

            if (line.Text.Length == 0)
            {
                return true;
            }

            if (Lines.Count == MostLines)
            {
                Errors.Add(new BatchError("too_many_tasks", $"a batch must hold at most {MostLines} requests, held more", null, line.Number));
                return false;
            }

            try
            {
                Check(line);
            }
            catch (InvalidLineException e)
            {
                Errors.Add(new BatchError(e.Code, e.Message, e.Param, line.Number));
            }

            return Errors.Count < MostErrors;
        }

        public List<BatchError> End()
        {
            if (Errors.Count == 0 && Lines.Count == 0)
            {
                Errors.Add(_read
                    ? new BatchError("empty_batch", "the input holds no requests", null, null)
                    : new BatchError("empty_file", "the input is empty", null, null));
            }

            return Errors;
        }

        private void Check(InputLine input)
        {
            using var line = BatchLine.Parse(input.Text, endpoint);
            Lines.Add((input.Number, input.Text.Length + 1, TokensOf(line, input.Text.Length)));
            CustomIds.Add(CustomIdIndex.HashOf(line.CustomId));
            if (!_customIds.Add(CustomIds[^1]))
            {
                throw new InvalidLineException("duplicate_custom_id", $"custom_id {JsonField.Quote(line.CustomId)} comes a second time", "custom_id");
            }

            if (!_first && line.Model != Model)
            {
                throw new InvalidLineException("model_mismatch", $"every line must ask for the same model; the first asks for {NameOf(Model)}, this one for {NameOf(line.Model)}", "model");
            }

            (_first, Model) = (false, line.Model);
            try
            {
                engines.Find(Model);
            }
            catch (InvalidJobException e)
            {
                throw new InvalidLineException(e.Code, e.Message, e.Param);
            }
        }

        private static string NameOf(string? name) => name is null ? "none" : JsonField.Quote(name);

        // The prompt at four bytes a token: it is for fairness and for the size of slices, not for limits of the model.
        private static long TokensOf(BatchLine line, int bytes)
        {
            foreach (var name in new[] { "max_completion_tokens", "max_tokens" })
            {
                if (line.Body.TryGetProperty(name, out var tokens) && tokens.ValueKind == System.Text.Json.JsonValueKind.Number && tokens.TryGetInt32(out var n) && n > 0)
                {
                    return n + (bytes / 4);
                }
            }

            return UsualTokens + (bytes / 4);
        }
    }
}
