using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Storage;
using Batch.Jobs.Tests;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Batch.Functions.Tests;

public sealed class ApiTests(StorageEmulator storage)
{
    private readonly ScriptedEngine _engine = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task SubmitJob_Answers202AndTheJobEndsWithItsText_WhenTheSubmissionIsRight()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);

        using var response = await host.SubmitAsync("""{"prompt":"Once","seed":7,"metadata":{"article":"12"}}""");

        Assert.Equal(HttpStatusCode.Accepted, response.StatusCode);
        var accepted = await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        Assert.Equal("queued", accepted.GetProperty("status").GetString());
        Assert.Matches("^job_[0-9a-f]{32}$", accepted.GetProperty("id").GetString());
        Assert.Equal($"/v1/jobs/{accepted.GetProperty("id")}", response.Headers.Location!.ToString());
        var job = await host.FinishedAsync(accepted.GetProperty("id").GetString()!);
        Assert.Equal(("succeeded", "stop", ScriptedEngine.TextOf(7)), (Text(job, "status"), Text(job, "finish_reason"), Text(job, "text")));
        Assert.Equal(("scripted", "default", "12"), (Text(job, "model"), Text(job, "tenant"), Text(job.GetProperty("metadata"), "article")));
        Assert.Equal((4, 3, 7), (Number(job.GetProperty("usage"), "prompt_tokens"), Number(job.GetProperty("usage"), "completion_tokens"), Number(job.GetProperty("usage"), "total_tokens")));
        Assert.True(job.GetProperty("created_at").GetInt64() <= job.GetProperty("finished_at").GetInt64());
    }

    [Theory]
    [InlineData("""{"prompt":"a","top_p":3}""", "invalid_request", "top_p")]
    [InlineData("""{"prompt":"a","model":"other"}""", "model_not_found", "model")]
    [InlineData("""{"prompt":"a","suffix":"b"}""", "unsupported_parameter", "suffix")]
    [InlineData("""{"prompt":"a","webhook_url":"https://example.org"}""", "unsupported_parameter", "webhook_url")]
    [InlineData("{", "invalid_request", null)]
    public async Task SubmitJob_Answers400InTheErrorShape_WhenTheSubmissionIsWrong(string body, string code, string? param)
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);

        using var response = await host.SubmitAsync(body);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        var error = (await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("error");
        Assert.Equal((code, param, "invalid_request_error"), (Text(error, "code"), Text(error, "param"), Text(error, "type")));
        Assert.NotEmpty(Text(error, "message")!);
    }

    [Fact]
    public async Task SubmitJob_GivesTheSameJobOr409_WhenTheIdempotencyKeyComesAgain()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        using var first = await host.SubmitAsync("""{"prompt":"Once"}""", "the key");
        using var again = await host.SubmitAsync("""{"prompt":"Once"}""", "the key");
        using var other = await host.SubmitAsync("""{"prompt":"Twice"}""", "the key");

        Assert.Equal(first.Headers.Location, again.Headers.Location);
        Assert.Equal(HttpStatusCode.Conflict, other.StatusCode);
    }

    [Fact]
    public async Task SubmitJob_Answers413_WhenTheBodyIsTooLong()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, settings: "--Jobs:MaxInputBytes=1024");

        using var response = await host.SubmitAsync($$"""{"prompt":"{{new string('x', 2000)}}"}""");

        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        Assert.Contains("at most 1024 bytes", await response.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task GetJob_Answers404_WhenThereIsNone()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);

        using var response = await host.Http.GetAsync("v1/jobs/nobody", Cancellation);

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Contains("\"code\":\"job_not_found\"", await response.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReplayJob_Conflicts_UnlessTheJobHasFailed()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var id = await host.SubmitForIdAsync("""{"prompt":"Once"}""");
        await host.FinishedAsync(id);

        using var succeeded = await host.Http.PostAsync($"v1/jobs/{id}/replay", null, Cancellation);
        using var nobody = await host.Http.PostAsync("v1/jobs/nobody/replay", null, Cancellation);

        Assert.Equal((HttpStatusCode.Conflict, HttpStatusCode.NotFound), (succeeded.StatusCode, nobody.StatusCode));
    }

    [Fact]
    public async Task CancelJob_EndsARunningJobAndThenConflicts_WhenItIsFinished()
    {
        _engine.HoldsAfterFirstPiece = true;
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var id = await host.SubmitForIdAsync("""{"prompt":"Once"}""");
        await _engine.Held;

        using var cancelled = await host.Http.PostAsync($"v1/jobs/{id}/cancel", null, Cancellation);
        var job = await host.FinishedAsync(id);
        _engine.HoldsAfterFirstPiece = false;
        var done = await host.SubmitForIdAsync("""{"prompt":"Once"}""");
        await host.FinishedAsync(done);
        using var late = await host.Http.PostAsync($"v1/jobs/{done}/cancel", null, Cancellation);
        using var nobody = await host.Http.PostAsync("v1/jobs/nobody/cancel", null, Cancellation);

        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.Conflict, HttpStatusCode.NotFound), (cancelled.StatusCode, late.StatusCode, nobody.StatusCode));
        Assert.Equal(("cancelled", "cancelled", "first piece"), (Text(job, "status"), Text(job, "finish_reason"), Text(job, "text")));
    }

    [Fact]
    public async Task ListJobs_GivesPagesNewestFirst_AndRefusesALimitOutOfRange()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);
        var first = await host.SubmitForIdAsync("""{"prompt":"Once"}""");
        var second = await host.SubmitForIdAsync("""{"prompt":"Once"}""");

        var page = await host.GetAsync("v1/jobs?limit=1");
        var next = await host.GetAsync($"v1/jobs?limit=1&after={second}");
        using var refused = await host.Http.GetAsync("v1/jobs?limit=101", Cancellation);

        Assert.Equal((second, first), (Text(page.GetProperty("data")[0], "id"), Text(next.GetProperty("data")[0], "id")));
        Assert.True(page.GetProperty("has_more").GetBoolean());
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
    }

    [Fact]
    public async Task ProcessPoisonJob_FailsTheJob_WhenEveryDeliveryFailed()
    {
        for (var i = 0; i < 5; i++)
        {
            _engine.Faults.Enqueue(new InvalidOperationException("out of memory"));
        }

        await using var host = await RunningHost.StartAsync(storage, Scripted);

        var job = await host.FinishedAsync(await host.SubmitForIdAsync("""{"prompt":"Once"}"""));

        Assert.Equal(("failed", "retries_exhausted"), (Text(job, "status"), Text(job.GetProperty("error"), "code")));
        Assert.Contains("out of memory", Text(job.GetProperty("error"), "message"), StringComparison.Ordinal);
        Assert.Equal(5, Number(job, "attempts"));
    }

    [Fact]
    public async Task ProcessJob_RunsTheJobOnTheNextHost_WhenItsHostShutsDown()
    {
        _engine.HoldsAfterFirstPiece = true;
        string id;
        await using (var host = await RunningHost.StartAsync(storage, Scripted))
        {
            id = await host.SubmitForIdAsync("""{"prompt":"Once","seed":3}""");
            await _engine.Held;
        }

        _engine.HoldsAfterFirstPiece = false;
        await using var next = await RunningHost.StartAsync(storage, Scripted, clearQueues: false);
        var job = await next.FinishedAsync(id);

        Assert.Equal(("succeeded", ScriptedEngine.TextOf(3), 1), (Text(job, "status"), Text(job, "text"), Number(job, "attempts")));
    }

    [Fact]
    public async Task ProcessJob_TakesAWholeJobFromTheQueue()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted);

        await host.Queue(JobQueues.Jobs).SendMessageAsync("""{"id":"from-the-queue","prompt":"Once","seed":1}""", Cancellation);
        HttpResponseMessage response;
        do
        {
            response = await host.Http.GetAsync("v1/jobs/from-the-queue", Cancellation);
        }
        while (response.StatusCode == HttpStatusCode.NotFound);

        Assert.Equal(ScriptedEngine.TextOf(1), Text(await host.FinishedAsync("from-the-queue"), "text"));
    }

    [Fact]
    public async Task DeliverEvent_ReachesTheReceiverOnThisMachine_WhenBothSwitchesAllowIt()
    {
        var received = new TaskCompletionSource<(string? Id, string Body)>(TaskCreationOptions.RunContinuationsAsynchronously);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        await using var receiver = builder.Build();
        receiver.Urls.Add("http://127.0.0.1:0");
        receiver.MapPost("/hook", async (HttpRequest request) =>
        {
            using var reader = new StreamReader(request.Body);
            received.SetResult((request.Headers["webhook-id"], await reader.ReadToEndAsync(Cancellation)));
            return Results.NoContent();
        });
        await receiver.StartAsync(Cancellation);
        await using var host = await RunningHost.StartAsync(
            storage, Scripted, settings: ["--Webhooks:Secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "--Webhooks:AllowHttp=true", "--Webhooks:AllowPrivateAddresses=true"]);

        var id = await host.SubmitForIdAsync($$"""{"prompt":"Once","webhook_url":"{{receiver.Urls.Single()}}/hook"}""");
        var (eventId, body) = await received.Task.WaitAsync(Cancellation);

        Assert.Equal($"{id}:succeeded", eventId);
        Assert.Equal(id, JsonDocument.Parse(body).RootElement.GetProperty("data").GetProperty("job_id").GetString());
    }

    [Fact]
    public async Task DeliverEvent_MarksTheWebhookFailed_WhenItsAddressIsPrivate()
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, settings: ["--Webhooks:Secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
        var id = await host.SubmitForIdAsync("""{"prompt":"Once","webhook_url":"https://localhost/hook"}""");
        await host.FinishedAsync(id);

        JsonElement webhook;
        do
        {
            webhook = (await host.GetAsync($"v1/jobs/{id}")).GetProperty("webhook");
        }
        while (Text(webhook, "status") == "pending");

        Assert.Equal(("failed", 1), (Text(webhook, "status"), Number(webhook, "attempts")));
        Assert.Contains("no public address", Text(webhook, "last_error"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task CheckReady_Answers503WithTheReason_WhenTheModelDoesNotLoad()
    {
        await using var host = await RunningHost.StartAsync(storage, _ => throw new FileNotFoundException("config.json is missing"), waitUntilReady: false);

        string body;
        HttpResponseMessage response;
        do
        {
            response = await host.Http.GetAsync("health/ready", Cancellation);
            body = await response.Content.ReadAsStringAsync(Cancellation);
        }
        while (body.Contains("loading", StringComparison.Ordinal));
        using var live = await host.Http.GetAsync("health/live", Cancellation);

        Assert.Equal((HttpStatusCode.ServiceUnavailable, HttpStatusCode.OK), (response.StatusCode, live.StatusCode));
        Assert.Contains("config.json is missing", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Models_AreListedAndServedByName_WhenOneDoesNotLoad()
    {
        await using var host = await RunningHost.StartAsync(
            storage, options => options.ModelPath == "/models/broken" ? throw new FileNotFoundException("config.json is missing") : new ScriptedEngine { Name = options.ModelName ?? "scripted" },
            settings: ["--Models:broken:ModelPath=/models/broken", "--Models:second:ModelPath=/models/two"]);

        var models = await host.GetAsync("v1/models");
        var id = await host.SubmitForIdAsync("""{"prompt":"Once","model":"second","seed":3}""");
        var job = await host.FinishedAsync(id);
        var ready = await host.GetAsync("health/ready");
        using var refused = await host.SubmitAsync("""{"prompt":"Once","model":"third"}""");

        Assert.Equal(["scripted", "broken", "second"], models.GetProperty("data").EnumerateArray().Select(m => Text(m, "id")));
        Assert.Equal(("list", "model"), (Text(models, "object"), Text(models.GetProperty("data")[0], "object")));
        Assert.Equal(("succeeded", "second"), (Text(job, "status"), Text(job, "model")));
        Assert.Equal(["ready", "not_ready", "ready"], ready.GetProperty("models").EnumerateArray().Select(m => Text(m, "status")));
        Assert.Contains("config.json is missing", Text(ready.GetProperty("models")[1], "reason"), StringComparison.Ordinal);
        Assert.Contains("one of 'scripted', 'broken', 'second'", await refused.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Host_RefusesToStart_WhenAModelsSettingIsWrong()
    {
        var error = await Assert.ThrowsAsync<Microsoft.Extensions.Options.OptionsValidationException>(
            () => RunningHost.StartAsync(storage, Scripted, settings: ["--Models:second:MaxSequences=0", "--Models:scripted:ModelPath=/models/two"]));

        Assert.Contains("Models:second: The ModelPath field is required", error.Message, StringComparison.Ordinal);
        Assert.Contains("Models:second: The field MaxSequences must be between 1 and 1024", error.Message, StringComparison.Ordinal);
        Assert.Contains("Models:scripted has the name of the default model", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--Webhooks:Secret=hunter2", "whsec_ followed by base64")]
    [InlineData("--EventGrid:TopicEndpoint=http://example.org/api/events", "EventGrid:TopicEndpoint must be an https address")]
    public async Task Host_RefusesToStart_WhenASettingIsWrong(string setting, string fault)
    {
        var error = await Assert.ThrowsAsync<Microsoft.Extensions.Options.OptionsValidationException>(
            () => RunningHost.StartAsync(storage, Scripted, settings: setting));

        Assert.Contains(fault, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--EventGrid:TopicEndpoint=")]
    [InlineData("--EventGrid:TopicEndpoint=https://evgt-test.swedencentral-1.eventgrid.azure.net/api/events")]
    public async Task Host_Starts_WithOrWithoutATopic(string setting)
    {
        await using var host = await RunningHost.StartAsync(storage, Scripted, settings: setting);

        Assert.Equal("ready", Text(await host.GetAsync("health/ready"), "status"));
    }

    private LlmEngine Scripted(EngineOptions options) => _engine;

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();

    private static int Number(JsonElement element, string name) => element.GetProperty(name).GetInt32();
}
