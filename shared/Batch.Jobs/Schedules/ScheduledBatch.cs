using System.Text;
using System.Text.Json.Nodes;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Files;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Schedules;

/// <summary>
/// A schedule's run as one batch, a line for each row. Its input is an uploaded file as any other, whose id follows from schedule and run, as does the batch's: the run done again makes neither a
/// second time.
/// </summary>
public sealed class ScheduledBatch(BatchIntake intake, FileStore files, RowsReader rows, TimeProvider time)
{
    private const int MostRows = 50_000;
    private const int RowsPerRenewal = 5000;
    private const string CustomId = "custom_id";
    private const string Body = "body";

    /// <summary>Throws <see cref="InvalidJobException"/>: no batch could be made of the definition, or its first line could not run.</summary>
    internal static JobRequest Check(ScheduleDefinition definition, TemplateValues values)
    {
        var request = RequestOf(definition, values, "file-of-the-run");
        using var line = BatchLine.Parse(LineOf(definition, request.Endpoint).Render(values), request.Endpoint);
        return CompletionBody.Parse(request.Endpoint, line.Body);
    }

    /// <param name="schedule">Whose run it is.</param>
    /// <param name="definition">With a batch.</param>
    /// <param name="run">As far as it is known.</param>
    /// <param name="values">Of the run.</param>
    /// <param name="renew">Called while rows are read, so that nobody else takes the run up.</param>
    /// <param name="cancellationToken">Ends it; it is begun again later.</param>
    internal async Task<ScheduleRun> SubmitAsync(
        Schedule schedule, ScheduleDefinition definition, ScheduleRun run, TemplateValues values, Func<Task> renew, CancellationToken cancellationToken)
    {
        var file = new StoredFile
        {
            PartitionKey = schedule.Tenant,
            RowKey = ObjectId.Of(ObjectId.File, run.ScheduledFor, $"{schedule.Id}:{run.Id}"),
            Filename = $"{schedule.Id}_{run.Id}.jsonl",
            CreatedAt = time.GetUtcNow(),
        };
        var request = RequestOf(definition, values, file.Id);
        run = await WriteAsync(file, LineOf(definition, request.Endpoint), definition.RowsBlob, run, values, renew, cancellationToken);
        if (run.Lines == 0)
        {
            return run with { State = ScheduleRunState.Failed, Error = run.Error ?? "rows_blob holds no row" };
        }

        await files.PutAsync(file, cancellationToken);
        try
        {
            var caller = new Caller(schedule.Tenant, ApiScopes.Submit, schedule.Id);
            return run with { BatchId = (await intake.CreateAsync(request, $"{schedule.Id}:{run.Id}", caller, cancellationToken)).Id };
        }
        catch (InvalidJobException e) when (e.Code == JobErrorCode.IdempotencyConflict)
        {
            // This run made the batch before it was cut off; the schedule was changed in between.
            return run;
        }
    }

    private async Task<ScheduleRun> WriteAsync(
        StoredFile file, ScheduleTemplate line, string? address, ScheduleRun run, TemplateValues values, Func<Task> renew, CancellationToken cancellationToken)
    {
        await using var content = await files.OpenWriteAsync(file, cancellationToken);
        var bytes = 0L;
        await foreach (var value in ValuesAsync(address, values, cancellationToken))
        {
            try
            {
                var text = line.Render(value);
                await content.WriteAsync(text, cancellationToken);
                content.WriteByte((byte)'\n');
                bytes += text.Length + 1;
                run = run with { Lines = run.Lines + 1 };
            }
            catch (InvalidJobException e)
            {
                run = run with { Refused = run.Refused + 1, Error = run.Error ?? (value.RowNumber > 0 ? $"row {value.RowNumber}: {e.Message}" : e.Message) };
            }

            if (value.RowNumber % RowsPerRenewal == RowsPerRenewal - 1)
            {
                await renew();
            }
        }

        file.Bytes = bytes;
        return run;
    }

    private async IAsyncEnumerable<TemplateValues> ValuesAsync(
        string? address, TemplateValues values, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (address is null)
        {
            yield return values;
            yield break;
        }

        var number = 0;
        await foreach (var row in rows.ReadAsync(address, MostRows, cancellationToken))
        {
            yield return values with { Row = row, RowNumber = ++number };
        }
    }

    // The batch's own fields know no row: they are said once.
    private static BatchRequest RequestOf(ScheduleDefinition definition, TemplateValues values, string fileId)
    {
        var fields = definition.Batch!.DeepClone().AsObject();
        fields.Remove(CustomId);
        fields.Remove(Body);
        var rendered = JsonNode.Parse(ScheduleTemplate.Compile(fields, "batch").Render(values with { Row = null, RowNumber = 0 }))!.AsObject();
        rendered["input_file_id"] = fileId;
        if (definition.WebhookUrl is { } webhook && !rendered.ContainsKey("webhook_url"))
        {
            rendered["webhook_url"] = webhook;
        }

        return BatchRequest.Parse(Encoding.UTF8.GetBytes(rendered.ToJsonString(JobJson.Options)));
    }

    private static ScheduleTemplate LineOf(ScheduleDefinition definition, string endpoint)
    {
        var batch = definition.Batch!;
        return ScheduleTemplate.Compile(
            new JsonObject
            {
                [CustomId] = batch[CustomId]?.DeepClone() ?? (definition.RowsBlob is null ? "run-{{ run }}" : "row-{{ row_number }}"),
                ["method"] = "POST",
                ["url"] = endpoint,
                [Body] = batch[Body]?.DeepClone(),
            },
            "batch");
    }
}
