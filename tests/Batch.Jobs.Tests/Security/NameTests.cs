using System.Text;
using System.Text.Json;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Requests;
using Batch.Jobs.Schedules;
using Batch.Jobs.Storage;
using Batch.Jobs.Tests.Batches;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Tests.Security;

/// <summary>No name that a caller gives leads out of where it belongs.</summary>
public sealed class NameTests(StorageEmulator storage)
{
    public static TheoryData<string> Outside => new(
        "inputs/../results/victim.json", "inputs/./../results/victim.json", "inputs/a/../../results/victim.json", "inputs/..\\results\\victim.json", "inputs/..", "inputs/a/..\\..\\results/victim.json", "inputs/.");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void BlobNamesOfTheClient_LeadOutOfTheirContainer_WhichIsWhyTheyAreChecked()
    {
        var container = new Azure.Storage.Blobs.BlobServiceClient("UseDevelopmentStorage=true").GetBlobContainerClient("inputs");

        Assert.EndsWith("/devstoreaccount1/results/victim.json", container.GetBlobClient("../results/victim.json").Uri.AbsolutePath, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Outside))]
    public async Task InputBlob_IsRefused_WhenItLeadsOutOfItsContainer(string path)
    {
        await using var batch = await TestBatch.StartAsync(storage);
        await batch.Clients.Blobs.GetBlobContainerClient(JobStore.ResultsContainer).GetBlobClient("victim.json").UploadAsync(BinaryData.FromString("""{"prompt":"secret"}"""), overwrite: true, Cancellation);

        var error = await Assert.ThrowsAsync<InvalidJobException>(() => batch.SubmitAsync($$"""{"input_blob":{{JsonSerializer.Serialize(path)}}}"""));

        Assert.Equal((JobErrorCode.InvalidRequest, "input_blob"), (error.Code, error.Param));
    }

    [Theory]
    [MemberData(nameof(Outside))]
    public async Task RowsBlob_IsRefused_WhenItLeadsOutOfItsContainer(string path)
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var reader = new RowsReader(batch.Clients, Options.Create(new JobsOptions()));

        var error = await Assert.ThrowsAsync<InvalidJobException>(async () => await reader.ReadAsync(path, 1, Cancellation).ToListAsync(Cancellation));

        Assert.Equal(JobErrorCode.InvalidRequest, error.Code);
    }

    [Theory]
    [MemberData(nameof(Outside))]
    public async Task Batch_IsRefused_WhenItsBlobsLeadOutOfTheirContainer(string path)
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var caller = new Caller("default", ApiScopes.Admin, "tester");

        var input = await Assert.ThrowsAsync<InvalidJobException>(() => CreateAsync(path, "outputs/one"));
        var output = await Assert.ThrowsAsync<InvalidJobException>(() => CreateAsync("inputs/a.jsonl", path.Replace("inputs", new BatchOptions().OutputContainers.Split(',')[0], StringComparison.Ordinal)));

        Assert.Equal(("input_blob", "output_folder"), (input.Param, output.Param));

        Task<BatchRow> CreateAsync(string blob, string folder) => batches.Intake.CreateAsync(
            BatchRequest.Parse(JsonSerializer.SerializeToUtf8Bytes(new { input_blob = blob, output_folder = new { url = folder }, endpoint = "/v1/completions", completion_window = "24h" })), null, caller, Cancellation);
    }

    [Theory]
    [InlineData("a/b")]
    [InlineData("a\\b")]
    [InlineData("../a")]
    [InlineData("a\n")]
    [InlineData("a#b")]
    [InlineData("a?b")]
    [InlineData("a:b")]
    [InlineData("a b")]
    [InlineData("a\u0001")]
    [InlineData("' or 1 eq 1")]
    [InlineData("")]
    public async Task Ids_AreRefusedWhereTheyAreGivenAndUnknownWhereTheyAreAsked_WhenTheyAreNoNames(string id)
    {
        await using var batch = await TestBatch.StartAsync(storage);

        var error = await Assert.ThrowsAsync<InvalidJobException>(() => batch.SubmitAsync($$"""{"id":{{JsonSerializer.Serialize(id)}},"prompt":"Once"}"""));

        Assert.Equal("id", error.Param);
        Assert.Null(await batch.Store.FindAsync(id, "default", Cancellation));
        Assert.Null(await new BatchStore(batch.Clients).FindAsync("default", id, Cancellation));
        Assert.Null(await new Batch.Jobs.Files.FileStore(batch.Clients, batch.Time).FindAsync("default", id, Cancellation));
    }

    [Theory]
    [InlineData("""{"id":"a-1","prompt":"\ud800"}""")]
    [InlineData("""{"prom\udc00pt":"x"}""")]
    [InlineData("""{"prompt":"x","metadata":{"\ud800":"x"}}""")]
    public void Json_IsRefused_WhenItHoldsHalfACharacter(string json)
    {
        var error = Assert.Throws<InvalidJobException>(() => JobRequestParser.ReadJson(Encoding.UTF8.GetBytes(json)));

        Assert.Contains("not Unicode", error.Message, StringComparison.Ordinal);
        Assert.Contains("not Unicode", Assert.Throws<InvalidJobException>(() => JobRequestParser.ReadJson(new byte[] { (byte)'"', 0xC3, (byte)'"' })).Message, StringComparison.Ordinal);
    }
}
