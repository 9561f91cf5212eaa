using System.Text.Json;

namespace Batch.Cli.Tests;

public class EngineCommandTests
{
    [Fact]
    public async Task Generate_PrintsTheTextAlone_TheSameForTheSameSeed()
    {
        string[] arguments = ["generate", "--prompt", "清晨的菜市场", "--max-tokens", "20", "--temperature", "0.8", "--seed", "7"];
        var first = await BatchCommand.RunAsync("", arguments);
        var second = await BatchCommand.RunAsync("", [.. arguments, "--json"]);

        Assert.Equal((0, ""), (first.Code, first.Errors));
        using var json = JsonDocument.Parse(second.Output);
        Assert.Equal(first.Output, json.RootElement.GetProperty("text").GetString());
        Assert.Equal(20, json.RootElement.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.Equal("length", json.RootElement.GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task Verify_ReplaysAResult_AndNamesTheFirstDifference()
    {
        var file = Path.GetTempFileName();
        var result = await BatchCommand.RunAsync("", "generate", "--prompt", "清晨的菜市场", "--max-tokens", "20", "--temperature", "0.8", "--seed", "7", "--threads", "1", "--json");
        await File.WriteAllTextAsync(file, result.Output, TestContext.Current.CancellationToken);
        var equal = await BatchCommand.RunAsync("", "verify", file, "--threads", "2");
        await File.WriteAllTextAsync(file, result.Output.Replace("\"seed\":\"7\"", "\"seed\":\"8\"", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        var otherSeed = await BatchCommand.RunAsync("", "verify", file, "--json");
        var otherDType = await BatchCommand.RunAsync("", "verify", file, "--dtype", "bfloat16");
        File.Delete(file);
        var gone = await BatchCommand.RunAsync("", "verify", file);

        Assert.Equal((0, ""), (equal.Code, equal.Errors));
        Assert.StartsWith("generate is equal: 20 tokens", equal.Output, StringComparison.Ordinal);
        Assert.Contains("note: kernels: threads is 1 in the receipt, 2 here", equal.Output, StringComparison.Ordinal);
        Assert.Equal(1, otherSeed.Code);
        Assert.Contains("\"difference\":\"text differs at token ", otherSeed.Output, StringComparison.Ordinal);
        Assert.Equal(1, otherDType.Code);
        Assert.Contains("dtype differs: float32 in the receipt, bfloat16 here", otherDType.Output, StringComparison.Ordinal);
        Assert.Equal((2, ""), (gone.Code, gone.Output));
    }

    [Fact]
    public async Task Generate_ReadsThePromptFromStandardInput()
    {
        var result = await BatchCommand.RunAsync("The morning was quiet", "generate", "--max-tokens", "5", "--temperature", "0");
        Assert.Equal(0, result.Code);
        Assert.NotEmpty(result.Output);
    }

    [Fact]
    public async Task Tokenize_TurnsStringsIntoIds_LineByLine()
    {
        var result = await BatchCommand.RunAsync("\"hello\"\n\"你好\\n世界\"\n", "tokenize");
        var lines = result.Output.TrimEnd().Split('\n').Select(line => JsonSerializer.Deserialize<int[]>(line)!).ToArray();
        Assert.Equal(0, result.Code);
        Assert.Equal(2, lines.Length);
        Assert.All(lines, ids => Assert.NotEmpty(ids));
    }

    [Theory]
    [InlineData(2, "temperature must be from 0 to 2, was 3", "generate", "--prompt", "x", "--temperature", "3")]
    [InlineData(1, "is no Hugging Face model folder", "generate", "--prompt", "x", "--model", "/nowhere")]
    [InlineData(2, "line 1 of standard input must be a JSON string", "tokenize")]
    [InlineData(3, "127.0.0.1:1", "result", "job_1", "--url", "http://127.0.0.1:1")]
    public async Task Command_SaysWhatIsWrong_AndExitsWithItsCode(int code, string message, params string[] arguments)
    {
        var result = await BatchCommand.RunAsync("no json\n", arguments);
        Assert.Equal(code, result.Code);
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
        Assert.Empty(result.Output);
    }

    [Theory]
    [InlineData("demo")]
    [InlineData("serve")]
    [InlineData("submit")]
    [InlineData("watch")]
    [InlineData("result")]
    [InlineData("cancel")]
    [InlineData("replay")]
    [InlineData("verify")]
    [InlineData("generate")]
    [InlineData("tokenize")]
    public async Task Help_IsThere_ForEveryCommand(string command)
    {
        var result = await BatchCommand.RunAsync("", command, "--help");
        Assert.Equal(0, result.Code);
        Assert.Contains("Usage:", result.Output, StringComparison.Ordinal);
    }
}
