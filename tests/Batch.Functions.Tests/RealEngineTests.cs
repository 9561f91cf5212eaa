using System.Text.Json;
using Batch.Inference.Tests;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>The whole path with a trained model.</summary>
public sealed class RealEngineTests(StorageEmulator storage)
{
    [Fact]
    public async Task Job_GivesTheSameText_AloneAndBesideOthers()
    {
        const string Submission = """{"prompt":"Once upon a time","max_tokens":40,"temperature":0.8,"seed":7}""";
        await using var host = await RunningHost.StartAsync(storage, load: null, settings: ["--Engine:Device=cpu", $"--Engine:ModelPath={TestData.Require("stories260K")}"]);

        var alone = await host.FinishedAsync(await host.SubmitForIdAsync(Submission));
        var ids = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => host.SubmitForIdAsync(i % 2 == 0 ? Submission : """{"prompt":"The dog","max_tokens":30}""")));
        var together = await Task.WhenAll(ids.Select(host.FinishedAsync));

        var text = alone.GetProperty("text").GetString();
        Assert.Equal(("succeeded", "length", 40), (alone.GetProperty("status").GetString(), alone.GetProperty("finish_reason").GetString(), alone.GetProperty("usage").GetProperty("completion_tokens").GetInt32()));
        Assert.All(together.Where((_, i) => i % 2 == 0), job => Assert.Equal(text, job.GetProperty("text").GetString()));
        Assert.All(together, job => Assert.Equal("succeeded", job.GetProperty("status").GetString()));
    }

    [Fact]
    public async Task Job_GivesJson_WhereItAsksForASchema()
    {
        const string Format = """{"type":"json_schema","json_schema":{"name":"pet","strict":true,"schema":{"type":"object","properties":{"name":{"type":"string","maxLength":9},"legs":{"enum":[2,4]}},"required":["name","legs"],"additionalProperties":false}}}""";
        await using var host = await RunningHost.StartAsync(storage, load: null, settings: ["--Engine:Device=cpu", $"--Engine:ModelPath={TestData.Require("stories260K")}"]);

        var job = await host.FinishedAsync(await host.SubmitForIdAsync("{\"prompt\":\"Once upon a time\",\"seed\":3,\"response_format\":" + Format + "}"));

        Assert.Equal("stop", job.GetProperty("finish_reason").GetString());
        using var pet = JsonDocument.Parse(job.GetProperty("text").GetString()!);
        Assert.Contains(pet.RootElement.GetProperty("legs").GetInt32(), new[] { 2, 4 });
    }

    [Fact]
    public async Task Job_IsCancelledInTheMiddle_AndKeepsItsText()
    {
        await using var host = await RunningHost.StartAsync(storage, load: null, settings: ["--Engine:Device=cpu", $"--Engine:ModelPath={TestData.Require("stories260K")}"]);
        var id = await host.SubmitForIdAsync("""{"prompt":"Once upon a time","max_tokens":100000,"ignore_eos":true}""");

        JsonElement job;
        do
        {
            job = await host.GetAsync($"v1/jobs/{id}");
        }
        while (job.GetProperty("status").GetString() == "queued");
        using var response = await host.Http.PostAsync($"v1/jobs/{id}/cancel", null, TestContext.Current.CancellationToken);
        job = await host.FinishedAsync(id);

        // The context of this model may be full before the second has passed.
        Assert.Contains(job.GetProperty("finish_reason").GetString(), new[] { "cancelled", "length" });
        Assert.NotEmpty(job.GetProperty("text").GetString()!);
    }
}
