using Batch.Inference.Engine;

namespace Batch.Inference.Tests.Engine;

public class LlmEngineTests
{
    private static readonly SamplingParams Greedy = new() { Temperature = 0, MaxTokens = 16 };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task GenerateAsync_CancelledWhileRunning_LeavesTheBatch()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine(o => o.MaxSequences = 1);
        using var cancellation = new CancellationTokenSource();
        GenerationUpdate? last = null;
        var text = "";
        await foreach (var update in engine.GenerateAsync(new GenerationRequest("long", [1, 2], new SamplingParams { MaxTokens = 90, Seed = 1 }), cancellation.Token))
        {
            (last, text) = (update, text + update.Text);
            if (update.CompletionTokens == 3)
            {
                await cancellation.CancelAsync();
            }
        }

        var next = await engine.RunAsync("next", [3], Greedy, Token); // the only place is free again

        Assert.Equal(FinishReason.Cancelled, last!.FinishReason);
        Assert.InRange(last.CompletionTokens, 3, 89);
        Assert.Equal(last.CompletionTokens, text.Length);
        Assert.Equal(16, next.Tokens);
    }

    [Fact]
    public async Task GenerateAsync_CallerLeavesEarly_LeavesTheBatch()
    {
        using var folder = TinyModel.Create("gpt2");
        await using var engine = folder.Engine(o => o.MaxSequences = 1);
        await foreach (var _ in engine.GenerateAsync(new GenerationRequest("left", [1], new SamplingParams { MaxTokens = 90 }), Token))
        {
            break;
        }
        Assert.Equal(16, (await engine.RunAsync("next", [3], Greedy, Token)).Tokens);
    }

    [Fact]
    public async Task GenerateAsync_EndsWithLength_AtMaxTokensAndAtTheContextsEnd()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        Assert.Equal((16, FinishReason.Length), await Ending(engine, [1], Greedy));
        Assert.Equal((6, FinishReason.Length), await Ending(engine, Enumerable.Repeat(1, TinyModel.Context - 6).ToArray(), Greedy));
    }

    [Fact]
    public async Task GenerateAsync_EndsWithStop_AtTheModelsEndOfText()
    {
        using var folder = TinyModel.Create("llama");
        await using var free = folder.Engine();
        var text = (await free.RunAsync("free", [5, 6], Greedy, Token)).Text;
        var third = text[2] - '\u4e00'; // make the third token of the greedy text the end of text
        var at = text.IndexOf(text[2], StringComparison.Ordinal);
        using var ending = TinyModel.Create("llama", config: c => c["eos_token_id"] = third);
        await using var engine = ending.Engine();

        var result = await engine.RunAsync("a", [5, 6], Greedy, Token);
        var ignoring = await engine.RunAsync("b", [5, 6], Greedy with { IgnoreEos = true }, Token);

        Assert.Equal(new Generated(text[..at], at + 1, FinishReason.Stop), result);
        Assert.Equal(text, ignoring.Text);
    }

    [Fact]
    public async Task GenerateAsync_EndsWithStop_AtAStopString_NotBeforeMinTokens()
    {
        using var folder = TinyModel.Create("gpt2");
        await using var engine = folder.Engine();
        var sampling = new SamplingParams { Temperature = 1, Seed = 5, MaxTokens = 40 };
        var text = (await engine.RunAsync("free", [5, 6], sampling, Token)).Text;
        var stop = text.Substring(10, 2);

        var stopped = await engine.RunAsync("stop", [5, 6], sampling with { Stop = [stop] }, Token);
        var later = await engine.RunAsync("later", [5, 6], sampling with { Stop = [stop], MinTokens = 20 }, Token);

        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], stopped.Text);
        Assert.Equal(FinishReason.Stop, stopped.Reason);
        Assert.True(later.Tokens >= 20);
    }

    [Theory]
    [InlineData(0, "the prompt is empty")]
    [InlineData(TinyModel.Context, "the prompt has 96 tokens; tiny takes at most 95")]
    public async Task GenerateAsync_RefusesThePrompt_WhenEmptyOrTooLong(int length, string message)
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var error = await Assert.ThrowsAsync<ArgumentException>(() => engine.RunAsync("a", Enumerable.Repeat(1, length).ToArray(), Greedy, Token));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DisposeAsync_EndsWhoWaits()
    {
        using var folder = TinyModel.Create("llama");
        var engine = folder.Engine();
        var running = engine.RunAsync("a", [1], new SamplingParams { MaxTokens = 90 }, Token);
        await engine.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => running.WaitAsync(TimeSpan.FromSeconds(20), Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => engine.RunAsync("b", [1], Greedy, Token));
    }

    [Fact]
    public async Task GenerateAsync_EndsWithStop_AtAStopToken_AndSaysWhich()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var text = (await engine.RunAsync("free", [5, 6], Greedy, Token)).Text;
        var at = text.IndexOf(text[3], StringComparison.Ordinal);
        var sampling = Greedy with { StopTokenIds = [text[3] - '\u4e00'], IgnoreEos = true };

        var (without, last) = await EndAsync(engine, sampling);
        var (with, _) = await EndAsync(engine, sampling with { IncludeStopStrInOutput = true });

        Assert.Equal((text[..at], FinishReason.Stop, new StopReason(null, text[3] - '\u4e00')), (without, last.FinishReason, last.StopReason));
        Assert.Equal(text[..(at + 1)], with);
    }

    [Fact]
    public async Task GenerateAsync_SaysWhichStopStringEndedIt_AndNothingWhereTheModelDid()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var text = (await engine.RunAsync("free", [5, 6], Greedy, Token)).Text;
        var (before, last) = await EndAsync(engine, Greedy with { Stop = ["never", text.Substring(4, 2)] });
        Assert.Equal(text[..text.IndexOf(text.Substring(4, 2), StringComparison.Ordinal)], before);
        Assert.Equal(new StopReason(text.Substring(4, 2), null), last.StopReason);
        Assert.Null((await EndAsync(engine, Greedy)).Last.StopReason);
    }

    [Fact]
    public async Task GenerateAsync_EndsWithRepetition_WhenTheTextRepeatsItself()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var sampling = Greedy with { AllowedTokenIds = [65], RepetitionDetection = new RepetitionDetectionParams(4, 2, 3) };

        var (text, last) = await EndAsync(engine, sampling);
        var (longer, _) = await EndAsync(engine, sampling with { MinTokens = 9 });

        Assert.Equal((new string('\u4e41', 6), FinishReason.Repetition), (text, last.FinishReason)); // three times a pattern of two
        Assert.Equal(9, longer.Length);
    }

    [Fact]
    public async Task GenerateAsync_GoesOnToTheContextsEnd_WithoutMaxTokens()
    {
        using var folder = TinyModel.Create("gpt2");
        await using var engine = folder.Engine();
        Assert.Equal((TinyModel.Context - 3, FinishReason.Length), await Ending(engine, [1, 2, 3], Greedy with { MaxTokens = null }));
    }

    [Fact]
    public async Task GenerateAsync_EndsTheOneAlone_WhoseParametersLeaveNoToken()
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var impossible = engine.RunAsync("none", [5, 6], Greedy with { AllowedTokenIds = [9], NoRepeatNgramSize = 1 }, Token);
        var neighbour = engine.RunAsync("neighbour", [5, 6], Greedy, Token);
        Assert.Contains("no token may follow", (await Assert.ThrowsAsync<GenerationRefusedException>(() => impossible)).Message, StringComparison.Ordinal);
        Assert.Equal(16, (await neighbour).Tokens);
    }

    [Theory]
    [InlineData("stop_token_ids")]
    [InlineData("allowed_token_ids")]
    [InlineData("logit_bias")]
    public async Task GenerateAsync_RefusesTokens_ThatTheVocabularyLacks(string parameter)
    {
        using var folder = TinyModel.Create("llama");
        await using var engine = folder.Engine();
        var sampling = parameter switch
        {
            "stop_token_ids" => Greedy with { StopTokenIds = [TinyModel.Vocabulary] },
            "allowed_token_ids" => Greedy with { AllowedTokenIds = [1, TinyModel.Vocabulary] },
            _ => Greedy with { LogitBias = new Dictionary<int, float> { [TinyModel.Vocabulary] = 1 } },
        };
        var error = await Assert.ThrowsAsync<ArgumentException>(() => engine.RunAsync("a", [1], sampling, Token));
        Assert.Contains($"{parameter} must be", error.Message, StringComparison.Ordinal);
        Assert.Contains("was 260", error.Message, StringComparison.Ordinal);
    }

    private static async Task<(string Text, GenerationUpdate Last)> EndAsync(LlmEngine engine, SamplingParams sampling)
    {
        var (text, last) = ("", (GenerationUpdate?)null);
        await foreach (var update in engine.GenerateAsync(new GenerationRequest("a", [5, 6], sampling.Validate()), Token))
        {
            (text, last) = (text + update.Text, update);
        }
        return (text, last!);
    }

    private static async Task<(int, FinishReason)> Ending(LlmEngine engine, int[] prompt, SamplingParams sampling)
    {
        var result = await engine.RunAsync("a", prompt, sampling, Token);
        return (result.Tokens, result.Reason);
    }
}
