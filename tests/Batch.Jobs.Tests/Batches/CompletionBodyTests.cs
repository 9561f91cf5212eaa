using System.Text.Json;
using Batch.Jobs.Batches;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Tests.Batches;

/// <summary>OpenAI's request and response bodies.</summary>
public sealed class CompletionBodyTests(StorageEmulator storage)
{
    private const string Text = "/v1/completions";
    private const string Chat = "/v1/chat/completions";

    [Theory]
    [InlineData("\"Once\"", "Once", null)]
    [InlineData("[\"Once\"]", "Once", null)]
    [InlineData("[7,8]", null, new[] { 7, 8 })]
    [InlineData("[[7,8]]", null, new[] { 7, 8 })]
    public void Parse_TakesEveryFormOfOnePrompt(string prompt, string? text, int[]? ids)
    {
        var request = Parse(Text, $$"""{"prompt":{{prompt}}}""");

        Assert.Equal(text, request.Prompt);
        Assert.Equal(ids, request.PromptTokenIds);
    }

    [Fact]
    public void Parse_TakesMessagesWithTextParts_AndTheNewNameOfMaxTokens()
    {
        var request = Parse(Chat, """
            {"model":"m","messages":[{"role":"developer","content":"Be brief."},{"role":"user","name":"eva","content":[{"type":"text","text":"你"},{"type":"text","text":"好"}]}],
             "max_completion_tokens":7,"temperature":0.5,"n":1,"stream":false,"user":"u-1","store":false,"logprobs":false}
            """);

        Assert.Equal([("system", "Be brief."), ("user", "你好")], request.Messages!.Select(message => (message.Role, message.Content)));
        Assert.Equal((7, 0.5f, "m"), (request.Parameters.MaxTokens, request.Parameters.Temperature, request.Model));
    }

    [Theory]
    [InlineData(Text, "\"prompt\":\"a\"", "best_of,echo,frequency_penalty,logit_bias,logprobs,n,presence_penalty,seed,stop,stream,stream_options,suffix,temperature,top_p,user")]
    [InlineData(Chat, "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]", "audio,frequency_penalty,logit_bias,logprobs,top_logprobs,max_tokens,max_completion_tokens,metadata,modalities,moderation,n,prediction,presence_penalty,prompt_cache_key,prompt_cache_retention,reasoning_effort,safety_identifier,seed,service_tier,stop,store,stream,stream_options,temperature,top_p,verbosity")]
    public void Parse_TakesNull_WhereOpenAIsClientsMaySendIt(string endpoint, string asked, string fields)
    {
        foreach (var field in fields.Split(','))
        {
            var request = Parse(endpoint, $$"""{{{asked}},"{{field}}":null}""");

            Assert.Equal(new JobParameters { MaxTokens = request.Parameters.MaxTokens }, request.Parameters);
        }
    }

    [Fact]
    public void Parse_TakesANegativeSeed_AsOpenAIsAreSigned() =>
        Assert.Equal(ulong.MaxValue, Parse(Text, """{"prompt":"a","seed":-1}""").Parameters.Seed);

    [Theory]
    [InlineData(Text, """{"prompt":["a","b"]}""", "prompt")]
    [InlineData(Text, """{"messages":[]}""", "messages")]
    [InlineData(Chat, """{"prompt":"a"}""", "prompt")]
    [InlineData(Chat, """{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}""", "messages")]
    [InlineData(Chat, """{"messages":[{"role":"user"}]}""", "messages")]
    [InlineData(Text, """{"prompt":"a","tempreature":1}""", "tempreature")]
    [InlineData(Text, """{"prompt":"a","webhook_url":"https://example.org"}""", "webhook_url")]
    [InlineData(Text, """{"prompt":"a [MASK]","kind":"fill-mask"}""", "kind")]
    [InlineData(Text, """{"prompt":"a","tools":[]}""", "tools")]
    public void Parse_RefusesByName_WhatItDoesNotDo(string endpoint, string body, string param) =>
        Assert.Equal(param, Assert.Throws<InvalidJobException>(() => Parse(endpoint, body)).Param);

    [Fact]
    public async Task ChatLine_GetsAChatCompletion()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        batches.Engine.HasChatTemplate = true;
        var line = TestBatches.Line("c", """{"messages":[{"role":"user","content":"hi"}],"seed":7}""", Chat);
        var batch = await batches.CreateAsync(line, endpoint: Chat);

        var view = await batches.FinishedAsync(batch);

        var body = Assert.Single(await batches.ReadAsync(view.OutputFileId)).GetProperty("response").GetProperty("body");
        var choice = body.GetProperty("choices")[0];
        Assert.Equal(("chat.completion", "assistant", "stop"), (body.GetProperty("object").GetString(), choice.GetProperty("message").GetProperty("role").GetString(), choice.GetProperty("finish_reason").GetString()));
        Assert.Equal(ScriptedEngine.TextOf(7), choice.GetProperty("message").GetProperty("content").GetString());
        Assert.Equal(0, body.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32());
    }

    [Fact]
    public async Task TextLine_GetsNChoicesOfSeedsInARow()
    {
        await using var batches = await TestBatches.StartAsync(storage);
        var batch = await batches.CreateAsync(TestBatches.Line("n", """{"prompt":[1,2,3],"n":3,"seed":7}"""));

        var view = await batches.FinishedAsync(batch);

        var body = Assert.Single(await batches.ReadAsync(view.OutputFileId)).GetProperty("response").GetProperty("body");
        Assert.Equal([ScriptedEngine.TextOf(7), ScriptedEngine.TextOf(8), ScriptedEngine.TextOf(9)], body.GetProperty("choices").EnumerateArray().Select(choice => choice.GetProperty("text").GetString()));
        Assert.Equal((3, 9), ((int)view.Usage.InputTokens, (int)view.Usage.OutputTokens));
    }

    [Fact]
    public void Parse_ReadsLogprobsAsEachEndpointSaysThem()
    {
        Assert.Equal(5, Parse(Text, """{"prompt":"a","logprobs":5}""").Parameters.Logprobs);
        Assert.Equal(0, Parse(Chat, """{"messages":[{"role":"user","content":"a"}],"logprobs":true}""").Parameters.Logprobs);
        Assert.Equal(4, Parse(Chat, """{"messages":[{"role":"user","content":"a"}],"logprobs":true,"top_logprobs":4}""").Parameters.Logprobs);
        Assert.Equal("top_logprobs", Assert.Throws<InvalidJobException>(() => Parse(Chat, """{"messages":[{"role":"user","content":"a"}],"top_logprobs":4}""")).Param);
    }

    [Fact]
    public void Logprobs_AreOpenAIsFourLists_WhenATextIsScored()
    {
        TokenScore Score(string token, float logprob) => new(token, 1, logprob, []) { TopLogprobs = [new(token, 1, logprob, []), new("x", 2, -3, [])] };
        var choice = new JobChoice(0, " time", "stop") { Logprobs = new ChoiceLogprobs([Score(" ti", -0.5f), Score("me", -1)]) };

        var logprobs = CompletionLogprobs.Of(choice, [new TokenScore("Once", 3, float.NaN, [])])!;

        Assert.Equal(["Once", " ti", "me"], logprobs.Tokens);
        Assert.Equal([null, -0.5f, -1], logprobs.TokenLogprobs);
        Assert.Equal([0, 4, 7], logprobs.TextOffset);
        Assert.Equal(-3, logprobs.TopLogprobs[2]!["x"]);
        Assert.Null(logprobs.TopLogprobs[0]);
    }

    private static JobRequest Parse(string endpoint, string body)
    {
        using var json = JsonDocument.Parse(body);
        return CompletionBody.Parse(endpoint, json.RootElement);
    }
}
