using Batch.Inference.Engine;
using Batch.Inference.Tokenizers;
using Batch.Jobs.Receipts;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Tests;

public class ReceiptTests
{
    private static readonly ScriptedEngine Engine = new();

    private static readonly Dictionary<string, string> NoFiles = [];

    private static RecordedResult Recorded { get; } = new(
        "job_1", ScriptedEngine.TextOf(7), "stop", new JobInput("Once", null),
        Receipt.Of(Engine.Model, new SamplingParams { Seed = 7 }, Engine.Tokenizer.Encode("Once"), [CompletionReceipt.Of(7, [1, 7, 3])]));

    [Fact]
    public void HashOf_IsSha256OfLittleEndianIntegers()
    {
        // printf '\x01\0\0\0\x02\x01\0\0' | sha256sum
        Assert.Equal("fb8bbe2ad3ab5292f19bc5d75bbab9b5", Receipt.HashOf([1, 258])[..32]);
    }

    [Fact]
    public async Task RunAsync_FindsThemEqual_WhenTheSameTokensComeOut()
    {
        Assert.Equal((null, 3), await RunAsync(Recorded));
    }

    [Fact]
    public async Task RunAsync_NamesTheFirstDifference()
    {
        var receipt = Recorded.Receipt;
        Assert.StartsWith("weights differ: xxh128:0 in the receipt, identity-1 here", (await RunAsync(Recorded with { Receipt = receipt with { Weights = "xxh128:0" } })).Difference, StringComparison.Ordinal);
        Assert.Equal("tokenizer differs: tokenizer.json is sha256:1 in the receipt, absent here", (await RunAsync(Recorded with { Receipt = receipt with { Tokenizer = new Dictionary<string, string> { ["tokenizer.json"] = "sha256:1" } } })).Difference);
        Assert.StartsWith("config differs: config.json", (await RunAsync(Recorded with { Receipt = receipt with { Config = new Dictionary<string, string> { ["config.json"] = "sha256:1" } } })).Difference, StringComparison.Ordinal);
        Assert.StartsWith("dtype differs: bfloat16 in the receipt, float32 here", (await RunAsync(Recorded with { Receipt = receipt with { DType = "bfloat16" } })).Difference, StringComparison.Ordinal);
        Assert.StartsWith("prompt differs", (await RunAsync(Recorded with { Input = new JobInput("Twice", null) })).Difference, StringComparison.Ordinal);
        Assert.StartsWith("text differs at token 1: 8", (await RunAsync(Recorded with { Receipt = receipt with { Completions = [CompletionReceipt.Of(7, [1, 8, 3])] } })).Difference, StringComparison.Ordinal);
        Assert.StartsWith("text differs at token 2: no token after 2 in the receipt, 3", (await RunAsync(Recorded with { Receipt = receipt with { Completions = [CompletionReceipt.Of(7, [1, 7])] } })).Difference, StringComparison.Ordinal);
        Assert.StartsWith("token_ids are not those of token_ids_sha256", (await RunAsync(Recorded with { Receipt = receipt with { Completions = [receipt.Completions[0] with { TokenIds = [1] }] } })).Difference, StringComparison.Ordinal);
        Assert.StartsWith("text differs though its tokens are the same", (await RunAsync(Recorded with { Text = "another" })).Difference, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RunAsync_ComparesTheBeginning_WhenTheTextWasCutShort()
    {
        var cut = Recorded with { FinishReason = "cancelled", Text = "first", Receipt = Recorded.Receipt with { Completions = [CompletionReceipt.Of(7, [1, 7])] } };
        Assert.Equal((null, 2), await RunAsync(cut));
    }

    [Fact]
    public async Task RunAsync_OnlyNotes_OtherLibrariesDevicesAndKernels()
    {
        var elsewhere = Recorded with { Receipt = Recorded.Receipt with { Device = "cuda:0", Kernels = NoFiles, Libraries = new Dictionary<string, string> { ["libtorch"] = "2.9" } } };
        var report = await ReceiptReplay.RunAsync(elsewhere, Engine, TestBatch.Cancellation);
        Assert.Null(report.Difference);
        Assert.Equal(["device: cuda:0 in the receipt, cpu here", "libraries: libtorch is 2.9 in the receipt, absent here"], report.Notes);
    }

    [Theory]
    [InlineData("{}", "has no id")]
    [InlineData("""{"id":"a","text":"b","finish_reason":"stop"}""", "has no receipt")]
    [InlineData("[1]", "is no result")]
    [InlineData("not json", "is no result")]
    public void Parse_SaysWhatIsMissing(string json, string says)
    {
        Assert.Contains(says, Assert.Throws<ArgumentException>(() => RecordedResult.Parse("file.json", json)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_ReadsWhatAResultHolds()
    {
        var result = new JobResult(
            "job_1", JobState.Succeeded, "text", "stop", new Usage(1, 2), "m", "i", new SamplingParams(), new Timings(0, null, 1), null, default, default)
        {
            Input = new JobInput(null, [new ChatMessage("user", "hi")]),
            Receipt = Recorded.Receipt with { Parameters = new SamplingParams { Temperature = 0.7f, Stop = ["。"], Seed = ulong.MaxValue } },
        };
        var read = RecordedResult.Parse("a", System.Text.Json.JsonSerializer.Serialize(result, JobJson.Options));
        Assert.Equal((0.7f, ulong.MaxValue, "hi"), (read.Receipt.Parameters.Temperature, read.Receipt.Parameters.Seed, read.Input.Messages![0].Content));
        Assert.Equal([1, 7, 3], read.Receipt.Completions[0].TokenIds);
    }

    private static async Task<(string? Difference, int Tokens)> RunAsync(RecordedResult recorded)
    {
        var report = await ReceiptReplay.RunAsync(recorded, Engine, TestBatch.Cancellation);
        return (report.Difference, report.Tokens);
    }
}
