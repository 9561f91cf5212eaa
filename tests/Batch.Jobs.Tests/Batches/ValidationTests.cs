using System.Text;
using Azure.Core;
using Batch.Jobs.Batches;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Tests.Batches;

/// <summary>What is said of an input before anything of it runs.</summary>
public sealed class ValidationTests(StorageEmulator storage)
{
    private const string Good = """{"custom_id":"a","method":"POST","url":"/v1/completions","body":{"prompt":"Once"}}""";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("", "empty_file", null)]
    [InlineData("\n\n  \n", "empty_batch", null)]
    [InlineData("{not json}", "invalid_json_line", 1)]
    [InlineData("[]", "invalid_json_line", 1)]
    [InlineData(Good + "\n" + Good, "duplicate_custom_id", 2)]
    [InlineData(Good + "\n\n" + """{"custom_id":"b","method":"POST","url":"/v1/embeddings","body":{}}""", "url_mismatch", 3)]
    [InlineData("""{"custom_id":"b","method":"GET","url":"/v1/completions","body":{}}""", "invalid_request", 1)]
    [InlineData("""{"method":"POST","url":"/v1/completions","body":{}}""", "invalid_request", 1)]
    [InlineData("""{"custom_id":"b","method":"POST","url":"/v1/completions"}""", "invalid_request", 1)]
    [InlineData("""{"custom_id":"b","method":"POST","url":"/v1/completions","body":{"stream":true}}""", "invalid_request", 1)]
    [InlineData("""{"custom_id":"b","method":"POST","url":"/v1/completions","body":{},"extra":1}""", "invalid_request", 1)]
    [InlineData("""{"custom_id":"b","method":"POST","url":"/v1/completions","body":{"model":"gpt-17"}}""", "model_not_found", 1)]
    [InlineData(Good + "\n" + """{"custom_id":"b","method":"POST","url":"/v1/completions","body":{"model":"scripted"}}""", "model_mismatch", 2)]
    [InlineData("{\"custom_id\":\"\\ud800\",\"method\":\"POST\",\"url\":\"/v1/completions\",\"body\":{}}", "invalid_json_line", 1)]
    public async Task Batch_FailsWithCodeAndLine_WhenItsInputIsWrong(string content, string code, int? line)
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var batch = await batches.CreateAsync(content);

        var view = await batches.FinishedAsync(batch);

        Assert.Equal(BatchState.Failed, view.Status);
        var error = Assert.Single(view.Errors!.Data);
        Assert.Equal((code, line), (error.Code, error.Line));
        Assert.Equal((null, null), (view.OutputFileId, view.ErrorFileId));
        Assert.Empty(batches.Engine.Requests);
        Assert.Equal("batch.failed", Assert.Single(await batches.EventsAsync()).GetProperty("type").GetString());
    }

    [Fact]
    public async Task Batch_FailsWithTheFirstFiftyErrors_WhenThereAreMore()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var batch = await batches.CreateAsync(string.Concat(Enumerable.Repeat("nonsense\n", 60)));

        var view = await batches.FinishedAsync(batch);

        Assert.Equal(Enumerable.Range(1, 50), view.Errors!.Data.Select(error => error.Line!.Value));
    }

    [Fact]
    public async Task Batch_FailsWithTooManyTasks_WhenItHoldsMoreThanFiftyThousand()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var batch = await batches.CreateAsync(string.Concat(Enumerable.Range(0, 50_001).Select(i => TestBatches.Line($"{i}", """{"prompt":"a"}"""))));

        var view = await batches.FinishedAsync(batch);

        Assert.Equal(("too_many_tasks", 50_001), (Assert.Single(view.Errors!.Data).Code, view.Errors.Data[0].Line!.Value));
    }

    [Fact]
    public async Task Batch_FailsWithInputModified_WhenItsBlobChangesWhileItIsRead()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var blob = batches.Clients.Blobs.GetBlobContainerClient("inputs").GetBlobClient("changing.jsonl");
        var lines = TestBatches.Lines(2, prompt: new string('x', 3_000_000)); // longer than one read
        await blob.UploadAsync(BinaryData.FromString(lines), overwrite: true, Cancellation);
        var request = BatchRequest.Parse("""{"input_blob":"inputs/changing.jsonl","output_folder":{"url":"outputs"},"endpoint":"/v1/completions","completion_window":"24h"}"""u8.ToArray());
        var batch = await batches.Intake.CreateAsync(request, null, TestBatches.Tester, Cancellation);
        var reads = 0;
        batches.Faults.BeforeRequest = async (method, address) =>
        {
            if (method == RequestMethod.Get && address.AbsolutePath.EndsWith("/changing.jsonl", StringComparison.Ordinal) && ++reads == 2)
            {
                await blob.UploadAsync(BinaryData.FromString(lines), overwrite: true, Cancellation);
            }
        };

        var view = await batches.FinishedAsync(batch);

        Assert.Equal(("input_modified", "input_blob"), (Assert.Single(view.Errors!.Data).Code, view.Errors.Data[0].Param));
    }

    [Fact]
    public async Task Batch_RunsFromABlobIntoAFolder_InAzuresDialect()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        await batches.Clients.Blobs.GetBlobContainerClient("outputs").CreateIfNotExistsAsync(cancellationToken: Cancellation);
        var blob = batches.Clients.Blobs.GetBlobContainerClient("inputs").GetBlobClient("week/1.jsonl");
        await blob.UploadAsync(BinaryData.FromString(TestBatches.Lines(2) + TestBatches.Line("bad", """{"prompt":1}""")), overwrite: true, Cancellation);
        var request = BatchRequest.Parse(Encoding.UTF8.GetBytes(
            $$"""{"input_blob":"{{blob.Uri}}","output_folder":{"url":"outputs/drafts"},"endpoint":"/v1/completions","completion_window":"24h"}"""));

        var batch = await batches.Intake.CreateAsync(request, null, TestBatches.Tester, Cancellation);
        var view = await batches.FinishedAsync(batch);

        Assert.Equal((BatchState.Completed, blob.Uri.AbsoluteUri, null), (view.Status, view.InputBlob, view.OutputFileId));
        Assert.EndsWith($"/outputs/drafts/{batch.Id}/results.jsonl", view.OutputBlob, StringComparison.Ordinal);
        var output = await batches.Clients.Blobs.GetBlobContainerClient("outputs").GetBlobClient($"drafts/{batch.Id}/results.jsonl").DownloadContentAsync(Cancellation);
        Assert.Equal(2, output.Value.Content.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.EndsWith("errors.jsonl", view.ErrorBlob, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"endpoint":"/v1/completions","completion_window":"24h"}""", "input_file_id")]
    [InlineData("""{"input_file_id":"file-x","completion_window":"24h"}""", "endpoint")]
    [InlineData("""{"input_file_id":"file-x","endpoint":"/v1/embeddings","completion_window":"24h"}""", "endpoint")]
    [InlineData("""{"input_file_id":"file-x","endpoint":"/v1/completions"}""", "completion_window")]
    [InlineData("""{"input_file_id":"file-x","endpoint":"/v1/completions","completion_window":"soon"}""", "completion_window")]
    [InlineData("""{"input_file_id":"file-x","endpoint":"/v1/completions","completion_window":"0s"}""", "completion_window")]
    [InlineData("""{"input_file_id":"file-x","endpoint":"/v1/completions","completion_window":"24h","output_expires_after":{"anchor":"created_at","seconds":60}}""", "output_expires_after")]
    [InlineData("""{"input_file_id":"file-x","endpoint":"/v1/completions","completion_window":"24h","metadata":{"a":1}}""", "metadata")]
    [InlineData("""{"input_file_id":"file-x","endpoint":"/v1/completions","completion_window":"24h","colour":"red"}""", "colour")]
    [InlineData("""{"input_blob":"inputs/x","endpoint":"/v1/completions","completion_window":"24h"}""", "output_folder")]
    public void Parse_NamesTheField_WhenTheRequestIsWrong(string body, string param) =>
        Assert.Equal(param, Assert.Throws<InvalidJobException>(() => BatchRequest.Parse(Encoding.UTF8.GetBytes(body))).Param);

    [Theory]
    [InlineData("24h", 86_400)]
    [InlineData("30m", 1800)]
    [InlineData("7d", 604_800)]
    [InlineData("90s", 90)]
    [InlineData("PT90M", 5400)]
    [InlineData("P7D", 604_800)]
    [InlineData("366d", null)]
    [InlineData("-1h", null)]
    [InlineData("1", null)]
    public void CompletionWindow_ReadsDurations(string text, int? seconds) =>
        Assert.Equal(seconds, (int?)CompletionWindow.Read(text)?.TotalSeconds);

    [Theory]
    [InlineData("inputs/x", "secrets", "outputs")]
    [InlineData("secrets/x", "inputs", "inputs")]
    public async Task Create_RefusesBlobsOutsideTheContainersSetAside(string input, string because, string instead)
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var request = new BatchRequest { InputBlob = input, OutputFolder = because == "secrets" ? "secrets/x" : "outputs/x", Endpoint = "/v1/completions", CompletionWindow = "24h" };

        var error = await Assert.ThrowsAsync<InvalidJobException>(() => batches.Intake.CreateAsync(request, null, TestBatches.Tester, Cancellation));

        Assert.Equal("input_no_permissions", error.Code);
        Assert.Contains(instead, error.Message, StringComparison.Ordinal);
    }
}
