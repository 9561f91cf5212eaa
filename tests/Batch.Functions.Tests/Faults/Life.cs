using System.Net;
using System.Text.Json;
using Azure.Data.Tables;

namespace Batch.Functions.Tests.Faults;

/// <summary>A way that something goes through the system: what a caller does, and how it must end whatever happened on the way.</summary>
/// <param name="Name">By which a failure is told.</param>
/// <param name="SubmitAsync">What a caller does, and does again when no answer came; true when it was answered.</param>
/// <param name="Check">Looks at what there is in the end.</param>
internal sealed record Life(string Name, Func<HandledApp, Task<bool>> SubmitAsync, Action<StorageCensus> Check)
{
    /// <summary>What the receiver of webhooks answers at the first attempt of each event.</summary>
    public HttpStatusCode FirstAnswer { get; init; } = HttpStatusCode.InternalServerError;

    /// <summary>Whether the receiver must have taken an event in the end; all others must not have come.</summary>
    public Func<string, bool> IsHooked { get; init; } = _ => false;

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
            })
        {
            IsHooked = _ => true,
        },
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
                return await UploadAsync(app) is { } file
                    && (await app.CallAsync("CreateBatch", $$"""{"input_file_id":"{{file}}","endpoint":"/v1/completions","completion_window":"24h","webhook_url":"{{Hook}}"}""", key: "the batch")).Status == 200;
            },
            census =>
            {
                var batch = Assert.Single(census.Rows("batches"), row => row.PartitionKey == "default");
                Assert.Equal(("Completed", 2, 1, "Delivered"), (batch.GetString("State"), batch.GetInt32("Succeeded"), batch.GetInt32("Errored"), batch.GetString("WebhookState")));
                Assert.Equal([$"{batch.RowKey}:completed"], census.EventIds.Distinct());
            })
        {
            IsHooked = _ => true,
        },
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
        new(
            "text that is handed on when its process stops",
            async app =>
            {
                app.Engine.AfterFirstPiece = app.Engine.Requests.IsEmpty ? app.Preempt : null;
                return (await app.CallAsync("SubmitJob", """{"id":"handed-on","prompt":"Once","seed":7}""")).Status == 202;
            },
            census =>
            {
                Assert.Equal(("Succeeded", 3), (Assert.Single(census.Jobs).GetString("State"), Assert.Single(census.Jobs).GetInt32("CompletionTokens")));
                Assert.Equal(["handed-on:succeeded"], census.EventIds.Distinct());
            }),
        new("endpoint: made, rotated, called, replayed, disabled", EndpointAsync, census =>
        {
            var (endpoint, delivery) = (Assert.Single(census.Rows("webhookendpoints")), Assert.Single(Deliveries(census)));
            Assert.Equal(("its owner disabled it", true), (endpoint.GetString("DisabledReason"), endpoint.GetString("PreviousSecret") is not null));
            Assert.Equal("Delivered", delivery.GetString("State"));
            Assert.InRange(delivery.GetInt32("Attempts")!.Value, 2, int.MaxValue); // taken and replayed; one that was refused before is made again where a fault kept it from being noted
            Assert.Equal(["told:succeeded"], census.EventIds.Distinct());
        })
        {
            IsHooked = _ => true,
        },
        new("endpoint that wants no more, enabled again", GoneAsync, census =>
        {
            Assert.Null(Assert.Single(census.Rows("webhookendpoints")).GetDateTimeOffset("DisabledAt"));
            Assert.Equal("Delivered", Assert.Single(Deliveries(census)).GetString("State"));
            Assert.All(census.EventIds, id => Assert.True(id == "told:succeeded" || id.Contains(":disabled:", StringComparison.Ordinal), id));
            Assert.InRange(census.EventIds.Distinct().Count(), 1, 2); // a kill after the answer may have it called again before it is disabled
        })
        {
            FirstAnswer = HttpStatusCode.Gone,
            IsHooked = id => id == "told:succeeded",
        },
        TimeIsOver(),
    ];

    public override string ToString() => Name;

    private static async Task<bool> EndpointAsync(HandledApp app)
    {
        var made = await app.CallAsync("CreateWebhookEndpoint", $$"""{"url":"{{Hook}}","events":["batch.job.*"]}""", key: "the endpoint");
        if (made.Status is not (200 or 201))
        {
            return false;
        }

        var id = made.Body.GetProperty("id").GetString();
        return (await app.CallAsync("UpdateWebhookEndpoint", """{"status":"enabled"}""", id)).Status == 200
            && (await app.CallAsync("RotateWebhookSecret", "", id)).Status == 200
            && (await app.CallAsync("SubmitJob", """{"id":"told","prompt":"Once"}""")).Status == 202
            && !await app.PumpAsync()
            && await app.CallAsync("ListEndpointDeliveries", id: id) is (200, var page)
            && (await app.CallAsync("ReplayEndpointDelivery", id: id, delivery: page.GetProperty("data")[0].GetProperty("id").GetString())).Status == 202
            && !await app.PumpAsync()
            && (await app.CallAsync("UpdateWebhookEndpoint", """{"status":"disabled"}""", id)).Status == 200;
    }

    private static async Task<bool> GoneAsync(HandledApp app)
    {
        var made = await app.CallAsync("CreateWebhookEndpoint", $$"""{"url":"{{Hook}}","events":["batch.job.*"]}""", key: "the endpoint");
        if (made.Status is not (200 or 201) || (await app.CallAsync("SubmitJob", """{"id":"told","prompt":"Once"}""")).Status != 202 || await app.PumpAsync())
        {
            return false;
        }

        var id = made.Body.GetProperty("id").GetString();
        return (await app.CallAsync("UpdateWebhookEndpoint", """{"status":"enabled"}""", id)).Status == 200 && (await app.CallAsync("ReplayFailedDeliveries", """{"since":"2026-01-01T00:00:00Z"}""", id)).Status == 202;
    }

    // What is handed in again after it was removed would be other work: what was answered is not.
    private static Life TimeIsOver()
    {
        var (job, file, batch) = (false, default(string), false);
        return new(
            "work whose time is over",
            async app =>
            {
                job = job || (await app.CallAsync("SubmitJob", $$"""{"id":"old","prompt":"{{new string('x', 50_000)}}","webhook_url":"{{Hook}}"}""")).Status == 202;
                file ??= await UploadAsync(app);
                batch = batch || (file is not null && (await app.CallAsync("CreateBatch", $$"""{"input_file_id":"{{file}}","endpoint":"/v1/completions","completion_window":"24h"}""", key: "the batch")).Status == 200);
                if (!job || !batch || await app.PumpAsync())
                {
                    return false;
                }

                app.Time.Advance(TimeSpan.FromDays(400));
                return !await app.PumpAsync();
            },
            census => Assert.Empty(census.Kept()))
        {
            IsHooked = id => id == "old:succeeded",
        };
    }

    /// <summary>The id of an uploaded file; null where it was not answered.</summary>
    public static async Task<string?> UploadAsync(HandledApp app)
    {
        var upload = $"--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{Lines}\r\n--b--\r\n";
        var file = await app.CallAsync("UploadFile", upload, key: "the upload", type: "multipart/form-data; boundary=b");
        return file.Status == 200 ? file.Body.GetProperty("id").GetString() : null;
    }

    private static IEnumerable<TableEntity> Deliveries(StorageCensus census) => census.Rows("webhookdeliveries").Where(row => row.RowKey.StartsWith("del_", StringComparison.Ordinal));

    private static async Task<bool> IsOverAsync(HandledApp app, string id) =>
        (await app.CallAsync("GetJob", id: id)).Body is { ValueKind: JsonValueKind.Object } job && job.GetProperty("status").GetString() is "succeeded";
}
