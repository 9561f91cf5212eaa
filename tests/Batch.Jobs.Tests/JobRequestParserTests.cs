using System.Text;
using Batch.Inference.Engine;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Tests;

public sealed class JobRequestParserTests
{
    [Fact]
    public void Parse_TakesEveryField_WhenTheSubmissionIsRight()
    {
        var request = Parse(
            """
            {"id":"a-1","tenant":"acme","model":"m","prompt":"Once","max_tokens":9,"min_tokens":1,"temperature":0.5,"top_k":40,"top_p":0.9,"min_p":0.1,
             "repetition_penalty":1.1,"seed":18446744073709551615,"stop":["a","b"],"ignore_eos":true,"webhook_url":"https://example.org/hook","metadata":{"k":"v"},
             "priority":-2,"not_before":1767225600,"deadline":"2026-01-02T00:00:00+00:00"}
            """);

        Assert.Equal(("a-1", "acme", "m", "Once", -2), (request.Id, request.Tenant, request.Model, request.Prompt, request.Priority));
        var sampling = request.Parameters.Over(new SamplingParams());
        Assert.Equal((9, 1, 0.5f, 40, 0.9f, 0.1f, 1.1f), (sampling.MaxTokens, sampling.MinTokens, sampling.Temperature, sampling.TopK, sampling.TopP, sampling.MinP, sampling.RepetitionPenalty));
        Assert.Equal((ulong.MaxValue, true), (sampling.Seed, sampling.IgnoreEos));
        Assert.Equal(["a", "b"], sampling.Stop);
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero), request.NotBefore);
        Assert.Equal(new DateTimeOffset(2026, 1, 2, 0, 0, 0, TimeSpan.Zero), request.Deadline);
        Assert.Equal("v", request.Metadata!["k"]);
    }

    [Theory]
    [InlineData("""{"prompt":"a","stop":"end"}""")]
    [InlineData("""{"prompt":"a","seed":null,"metadata":null,"model":null}""")]
    [InlineData("""{"messages":[{"role":"system","content":""},{"role":"user","content":"hi"}]}""")]
    [InlineData("\uFEFF{\"prompt\":\"a\"}")]
    public void Parse_Accepts(string json) => Assert.NotNull(Parse(json));

    [Theory]
    [InlineData("""{}""", "prompt", "exactly one of prompt, messages and input_blob, saw none")]
    [InlineData("""{"prompt":"a","messages":[{"role":"user","content":"b"}]}""", "prompt", "saw both")]
    [InlineData("""{"prompt":""}""", "prompt", "must not be empty")]
    [InlineData("""{"prompt":7}""", "prompt", "prompt must be a string, was the number 7")]
    [InlineData("""{"prompt":"a","prompt":"b"}""", null, "each field once")]
    [InlineData("""{"prompt":"\ud800"}""", null, "not Unicode")]
    [InlineData("""{"prompt":"a","max_tokens":"9"}""", "max_tokens", "max_tokens must be a 32-bit integer, was a string")]
    [InlineData("""{"prompt":"a","max_tokens":1.5}""", "max_tokens", "was the number 1.5")]
    [InlineData("""{"prompt":"a","max_tokens":0}""", "max_tokens", "max_tokens must be at least 1, was 0")]
    [InlineData("""{"prompt":"a","min_tokens":999}""", "min_tokens", "from 0 to max_tokens (256), was 999")]
    [InlineData("""{"prompt":"a","temperature":-1}""", "temperature", "from 0 to 2, was -1")]
    [InlineData("""{"prompt":"a","temperature":1e999}""", "temperature", "from 0 to 2")]
    [InlineData("""{"prompt":"a","top_k":-2}""", "top_k", "was -2")]
    [InlineData("""{"prompt":"a","repetition_penalty":0}""", "repetition_penalty", "above 0")]
    [InlineData("""{"prompt":"a","seed":-1}""", "seed", "from 0 to 2^64 - 1")]
    [InlineData("""{"prompt":"a","stop":[""]}""", "stop", "an empty string")]
    [InlineData("""{"prompt":"a","stop":[1]}""", "stop", "a string or an array of strings")]
    [InlineData("""{"prompt":"a","ignore_eos":"yes"}""", "ignore_eos", "true or false")]
    [InlineData("""{"prompt":"a","id":"a/b"}""", "id", "letters, digits")]
    [InlineData("""{"prompt":"a","tenant":""}""", "tenant", "1 to 128")]
    [InlineData("""{"prompt":"a","webhook_url":"ftp://example.org"}""", "webhook_url", "https")]
    [InlineData("""{"prompt":"a","webhook_url":"https://user@example.org"}""", "webhook_url", "without a user name")]
    [InlineData("""{"prompt":"a","metadata":{"k":1}}""", "metadata", "another under \"k\"")]
    [InlineData("""{"prompt":"a","not_before":"tomorrow"}""", "not_before", "ISO 8601")]
    [InlineData("""{"prompt":"a","not_before":"2026-01-01T00:00:00"}""", "not_before", "with an offset")]
    [InlineData("""{"prompt":"a","not_before":20,"deadline":10}""", "deadline", "after not_before")]
    [InlineData("""{"messages":[]}""", "messages", "an empty array")]
    [InlineData("""{"messages":[{"role":"robot","content":"a"}]}""", "messages", "role \"robot\"")]
    [InlineData("""{"messages":[{"role":"user","content":"a","name":"b"}]}""", "messages", "nothing else")]
    [InlineData("""{"prompt":"a","temprature":1}""", "temprature", "unknown field \"temprature\"")]
    public void Parse_SaysWhatWasSeenAndWanted_WhenTheSubmissionIsWrong(string json, string? param, string says)
    {
        var error = Assert.Throws<InvalidJobException>(() => Parse(json));

        Assert.Equal((JobErrorCode.InvalidRequest, param), (error.Code, error.Param));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Parse_RefusesMetadata_WhenThereAreMoreThan16Pairs()
    {
        var pairs = string.Join(',', Enumerable.Range(0, 17).Select(i => $"\"k{i}\":\"v\""));

        Assert.Contains("at most 16 pairs, was 17", Assert.Throws<InvalidJobException>(() => Parse($$$"""{"prompt":"a","metadata":{{{{pairs}}}}}""")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void GenerationDefaults_TakeTheModelsOwn_WhereItsFolderGivesSome()
    {
        var folder = Directory.CreateTempSubdirectory().FullName;
        File.WriteAllText(Path.Combine(folder, "generation_config.json"), """{"temperature":0.6,"top_k":20,"do_sample":true,"eos_token_id":[1,2]}""");

        var defaults = GenerationDefaults.Load(folder);

        Assert.Equal(new SamplingParams { Temperature = 0.6f, TopK = 20, Stop = defaults.Stop }, defaults);
        File.WriteAllText(Path.Combine(folder, "generation_config.json"), """{"temperature":9}""");
        Assert.Contains("temperature must be from 0 to 2, was 9", Assert.Throws<InvalidDataException>(() => GenerationDefaults.Load(folder)).Message, StringComparison.Ordinal);
        Directory.Delete(folder, recursive: true);
    }

    private static JobRequest Parse(string json)
    {
        using var document = JobRequestParser.ReadJson(Encoding.UTF8.GetBytes(json));
        return JobRequestParser.Parse(document.RootElement);
    }
}
