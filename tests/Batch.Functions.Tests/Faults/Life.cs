using System.Text.Json;

namespace Batch.Functions.Tests.Faults;

/// <summary>A way that something goes through the system: what a caller does, and how it must end whatever happened on the way.</summary>
/// <param name="Name">By which a failure is told.</param>
/// <param name="SubmitAsync">What a caller does, and does again when no answer came; true when it was answered.</param>
/// <param name="Check">Looks at what there is in the end.</param>
internal sealed record Life(string Name, Func<HandledApp, Task<bool>> SubmitAsync, Action<StorageCensus> Check)
{
    private const string Hook = "https://example.org/hook";

    private const string Lines =
        """
        {"custom_id":"one","method":"POST","url":"/v1/completions","body":{"prompt":"Once","max_tokens":8}}
        {"custom_id":"two","method":"POST","url":"/v1/completions","body":{"prompt":"Twice","max_tokens":8}}
        {"custom_id":"bad","method":"POST","url":"/v1/completions","body":{"prompt":"Thrice","temperature":9}}
        """;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static IEnumerable<Life> All =>
    [
        new(
            "job over HTTP, with a webhook",
            async app => (await app.CallAsync("SubmitJob", $$"""{"prompt":"Once","webhook_url":"{{Hook}}"}""", key: "a key")).Status == 202,
            census =>
            {
                var job = Assert.Single(census.Jobs);
                Assert.Equal(("Succeeded", "Delivered"), (job.GetString("State"), job.GetString("WebhookState")));
                Assert.Equal([$"{job.PartitionKey}:succeeded"], census.EventIds.Distinct());
            }),
        new(
            "long job on the queue",
            async app =>
            {
                await app.Storage.Blobs.GetBlobContainerClient("inputs").GetBlobClient("given/long.txt").UploadAsync(BinaryData.FromString(new string('x', 50_000)), overwrite: true, Cancellation);
                await app.Storage.Queues.GetQueueClient("batch-jobs").SendMessageAsync("""{"id":"queued-1","input_blob":"inputs/given/long.txt"}""", Cancellation);
                return true;
            },
            census =>
            {
                var job = Assert.Single(census.Jobs);
                Assert.Equal(("queued-1", "Succeeded", 50_000), (job.PartitionKey, job.GetString("State"), job.GetInt32("PromptTokens")));
                Assert.Equal(["queued-1:succeeded"], census.EventIds.Distinct());
            }),
        new(
            "job cancelled before it ran",
            async app => (await app.CallAsync("SubmitJob", """{"id":"unwanted","prompt":"Once"}""")).Status == 202 && (await app.CallAsync("CancelJob", id: "unwanted")).Status is 200 or 409,
            census =>
            {
                Assert.Equal("Cancelled", Assert.Single(census.Jobs).GetString("State"));
                Assert.Equal(["unwanted:cancelled"], census.EventIds.Distinct());
            }),
        new(
            "job that fails five times, and is replayed",
            async app =>
            {
                for (var faults = 5 - app.Engine.Faults.Count; app.Engine.Requests.IsEmpty && faults > 0; faults--)
                {
                    app.Engine.Faults.Enqueue(new InvalidOperationException("the model holds NaN"));
                }

                if ((await app.CallAsync("SubmitJob", """{"id":"poison","prompt":"Once"}""")).Status != 202 || await app.PumpAsync())
                {
                    return false;
                }

                return await IsOverAsync(app, "poison") || (await app.CallAsync("ReplayJob", id: "poison")).Status < 300;
            },
            census =>
            {
                Assert.Equal("Succeeded", Assert.Single(census.Jobs).GetString("State"));
                Assert.Contains("poison:succeeded", census.EventIds);
                Assert.Empty(census.EventIds.Except(["poison:failed", "poison:succeeded"])); // it may have been handed in again in between
            }),
        new(
            "batch over a file",
            async app =>
            {
                var upload = $"--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{Lines}\r\n--b--\r\n";
                var file = await app.CallAsync("UploadFile", upload, key: "the upload", type: "multipart/form-data; boundary=b");
                return file.Status == 200
                    && (await app.CallAsync("CreateBatch", $$"""{"input_file_id":"{{file.Body.GetProperty("id").GetString()}}","endpoint":"/v1/completions","completion_window":"24h","webhook_url":"{{Hook}}"}""", key: "the batch")).Status == 200;
            },
            census =>
            {
                var batch = Assert.Single(census.Rows("batches"), row => row.PartitionKey == "default");
                Assert.Equal(("Completed", 2, 1, "Delivered"), (batch.GetString("State"), batch.GetInt32("Succeeded"), batch.GetInt32("Errored"), batch.GetString("WebhookState")));
                Assert.Equal([$"{batch.RowKey}:completed"], census.EventIds.Distinct());
            }),
        new(
            "schedule with rows",
            async app =>
            {
                await app.Storage.Blobs.GetBlobContainerClient("inputs").GetBlobClient("given/rows.csv").UploadAsync(BinaryData.FromString("topic\nrain\nsnow\n"), overwrite: true, Cancellation);
                var schedule = await app.CallAsync("CreateSchedule", """{"cron":"0 0 1 1 *","job":{"prompt":"Of {{ row.topic }}"},"rows_blob":"inputs/given/rows.csv"}""", key: "yearly");
                return schedule.Status == 201 && (await app.CallAsync("RunSchedule", id: schedule.Body.GetProperty("id").GetString(), key: "now")).Status < 300;
            },
            census =>
            {
                Assert.Equal("Submitted", Assert.Single(census.Rows("scheduleruns")).GetString("State"));
                Assert.Equal(["Succeeded", "Succeeded"], census.Jobs.Select(job => job.GetString("State")));
                Assert.Equal(2, census.EventIds.Distinct().Count());
            }),
    ];

    public override string ToString() => Name;

    private static async Task<bool> IsOverAsync(HandledApp app, string id) =>
        (await app.CallAsync("GetJob", id: id)).Body is { ValueKind: JsonValueKind.Object } job && job.GetProperty("status").GetString() is "succeeded";
}
