using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Batch.Jobs.Access;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>Schedules over HTTP, with the timer that fires them.</summary>
public sealed class ScheduleApiTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Schedule_OfEverySecond_IsFiredByTheTimer()
    {
        await using var host = await RunningHost.StartAsync(storage, _ => new ScriptedEngine());
        using var created = await PostAsync(host, "v1/schedules", """{"cron": "* * * * * *", "job": {"prompt": "tick {{ run }}"}}""");
        var schedule = await ReadAsync(created, HttpStatusCode.Created);
        var path = $"v1/schedules/{schedule.GetProperty("id").GetString()}";

        JsonElement runs;
        do
        {
            runs = (await host.GetAsync($"{path}/runs")).GetProperty("data");
        }
        while (runs.GetArrayLength() == 0);

        var job = await host.FinishedAsync(runs[0].GetProperty("first_job_id").GetString()!);
        Assert.Equal("succeeded", job.GetProperty("status").GetString());
        Assert.Equal(5, (await host.GetAsync(path)).GetProperty("next_runs").GetArrayLength());
        using var deleted = await host.Http.DeleteAsync(new Uri(path, UriKind.Relative), Cancellation);
        Assert.True((await ReadAsync(deleted, HttpStatusCode.OK)).GetProperty("deleted").GetBoolean());
        using var gone = await host.Http.GetAsync(new Uri(path, UriKind.Relative), Cancellation);
        Assert.Equal("schedule_not_found", (await ReadAsync(gone, HttpStatusCode.NotFound)).GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task Schedules_OfAnotherTenant_AreNeitherListedNorRun()
    {
        await using var host = await RunningHost.StartAsync(storage, _ => new ScriptedEngine());
        using var created = await PostAsync(host, "v1/schedules", """{"cron": "0 0 1 1 *", "job": {"prompt": "x"}}""");
        var id = (await ReadAsync(created, HttpStatusCode.Created)).GetProperty("id").GetString();
        host.Http.DefaultRequestHeaders.Authorization = new("Bearer", await host.NewKeyAsync("another", ApiScopes.Admin));

        Assert.Equal(0, (await host.GetAsync("v1/schedules")).GetProperty("data").GetArrayLength());
        using var run = await PostAsync(host, $"v1/schedules/{id}/run", "");
        Assert.Equal(HttpStatusCode.NotFound, run.StatusCode);
    }

    private static async Task<HttpResponseMessage> PostAsync(RunningHost host, string path, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        return await host.Http.PostAsync(new Uri(path, UriKind.Relative), content, Cancellation);
    }

    private static async Task<JsonElement> ReadAsync(HttpResponseMessage response, HttpStatusCode expected)
    {
        Assert.Equal(expected, response.StatusCode);
        return await response.Content.ReadFromJsonAsync<JsonElement>(Cancellation);
    }
}
