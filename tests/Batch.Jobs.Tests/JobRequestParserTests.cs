using System.Text;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Inference.Tokenizers;
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

    [Fact]
    public void Parse_TakesEveryParameterOfVllm_ByItsName()
    {
        var request = Parse(
            """
            {"prompt":"Once","n":2,"presence_penalty":-2,"frequency_penalty":0.25,"repetition_penalty":1.5,"temperature":1.5,"top_p":0.5,"top_k":-1,"min_p":0.2,"typical_p":0.9,
             "seed":3,"stop":["a"],"stop_token_ids":[5,6],"ignore_eos":true,"max_tokens":null,"min_tokens":4,"logprobs":20,"prompt_logprobs":0,"echo":true,
             "include_stop_str_in_output":true,"skip_special_tokens":false,"logit_bias":{"11":-100,"12":1.5},"allowed_token_ids":[11,12],"bad_words":["foe"],"no_repeat_ngram_size":3,
             "dry_multiplier":0.8,"dry_base":2,"dry_allowed_length":3,"dry_sequence_breakers":["."],
             "repetition_detection":{"max_pattern_size":9,"min_pattern_size":2,"min_count":3}}
            """);

        var sampling = request.Parameters.Over(new SamplingParams { MinP = 0.5f });

        Assert.Equal((2, -2f, 0.25f, 1.5f, 1.5f), (sampling.N, sampling.PresencePenalty, sampling.FrequencyPenalty, sampling.RepetitionPenalty, sampling.Temperature));
        Assert.Equal((0.5f, -1, 0.2f, 0.9f, 3UL), (sampling.TopP, sampling.TopK, sampling.MinP, sampling.TypicalP, sampling.Seed));
        Assert.Equal([5, 6], sampling.StopTokenIds);
        Assert.Equal((null, 4, 20, 0, true, true, false), (sampling.MaxTokens, sampling.MinTokens, sampling.Logprobs, sampling.PromptLogprobs, sampling.Echo, sampling.IncludeStopStrInOutput, sampling.SkipSpecialTokens));
        Assert.Equal([(11, -100f), (12, 1.5f)], sampling.LogitBias!.Select(pair => (pair.Key, pair.Value)));
        Assert.Equal([11, 12], sampling.AllowedTokenIds!);
        Assert.Equal((0.8f, 2f, 3, 3), (sampling.DryMultiplier, sampling.DryBase, sampling.DryAllowedLength, sampling.NoRepeatNgramSize));
        Assert.Equal(["foe", "."], [sampling.BadWords[0], sampling.DrySequenceBreakers[0]]);
        Assert.Equal(new RepetitionDetectionParams(9, 2, 3), sampling.RepetitionDetection);
        var beams = Parse("""{"prompt":"a","num_beams":4,"length_penalty":0.5,"early_stopping":"never"}""").Parameters.Over(new SamplingParams { Temperature = 0.7f, TopK = 20 });
        Assert.Equal((4, 0.5f, EarlyStopping.Never, 0f, 0), (beams.NumBeams, beams.LengthPenalty, beams.EarlyStopping, beams.Temperature, beams.TopK));
    }

    [Fact]
    public void Parse_TextParts_AreOneText()
    {
        var messages = Parse("""{"messages":[{"role":"user","content":[{"type":"text","text":"你"},{"text":"好 ","type":"text"},{"type":"text","text":""}]}]}""").Messages;

        Assert.Equal([new ChatMessage("user", "你好 ")], messages!);
    }

    [Theory]
    [InlineData("image_url")]
    [InlineData("input_audio")]
    public void Parse_PartsThatAreNoText_AreRefusedByName(string type)
    {
        var body = """{"messages":[{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"TYPE","x":{}}]}]}""";

        var error = Assert.Throws<InvalidJobException>(() => Parse(body.Replace("TYPE", type, StringComparison.Ordinal)));

        Assert.Contains($"messages[1].content[1]: parts of type \"{type}\" are not supported", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"prompt":"a","stop":"end"}""")]
    [InlineData("""{"prompt":"a","seed":null,"metadata":null,"model":null}""")]
    [InlineData("""{"messages":[{"role":"system","content":""},{"role":"user","content":"hi"}]}""")]
    [InlineData("\uFEFF{\"prompt\":\"a\"}")]
    public void Parse_Accepts(string json) => Assert.NotNull(Parse(json));

    [Theory]
    [InlineData("""{}""", "prompt", "exactly one of prompt, prompt_token_ids, messages and input_blob, saw none")]
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
    [InlineData("""{"prompt":"a","n":0}""", "n", "n must be from 1 to 128, was 0")]
    [InlineData("""{"prompt":"a","n":2,"temperature":0}""", "n", "n must be 1 at temperature 0")]
    [InlineData("""{"prompt":"a","presence_penalty":2.5}""", "presence_penalty", "from -2 to 2, was 2.5")]
    [InlineData("""{"prompt":"a","frequency_penalty":-3}""", "frequency_penalty", "from -2 to 2, was -3")]
    [InlineData("""{"prompt":"a","logprobs":21}""", "logprobs", "from 0 to 20, was 21")]
    [InlineData("""{"prompt":"a","logprobs":true}""", "logprobs", "a 32-bit integer, was a boolean")]
    [InlineData("""{"prompt":"a","prompt_logprobs":-1}""", "prompt_logprobs", "from 0 to 20, was -1")]
    [InlineData("""{"prompt":"a","stop_token_ids":[-1]}""", "stop_token_ids", "at least 0, was -1")]
    [InlineData("""{"prompt":"a","stop_token_ids":["x"]}""", "stop_token_ids", "an array of token ids")]
    [InlineData("""{"prompt":"a","logit_bias":{"50256":-101}}""", "logit_bias", "from -100 to 100 for each token, was -101 for token 50256")]
    [InlineData("""{"prompt":"a","logit_bias":{"the":1}}""", "logit_bias", "the name \"the\"")]
    [InlineData("""{"prompt":"a","logit_bias":{"1":"x"}}""", "logit_bias", "a string for token 1")]
    [InlineData("""{"prompt":"a","logit_bias":[1]}""", "logit_bias", "an object from token ids to numbers")]
    [InlineData("""{"prompt":"a","allowed_token_ids":[]}""", "allowed_token_ids", "at least one token id")]
    [InlineData("""{"prompt":"a","bad_words":[" "]}""", "bad_words", "non-empty words")]
    [InlineData("""{"prompt":"a","no_repeat_ngram_size":-1}""", "no_repeat_ngram_size", "was -1")]
    [InlineData("""{"prompt":"a","dry_base":0.5}""", "dry_base", "at least 1, was 0.5")]
    [InlineData("""{"prompt":"a","repetition_detection":{"max_pattern_size":4}}""", "repetition_detection", "min_count from 2")]
    [InlineData("""{"prompt":"a","repetition_detection":{"size":4}}""", "repetition_detection", "one with \"size\"")]
    [InlineData("""{"prompt":"a","typical_p":0}""", "typical_p", "above 0 and at most 1")]
    [InlineData("""{"prompt":"a","num_beams":4,"temperature":0.5}""", "temperature", "0 or left out with num_beams above 1")]
    [InlineData("""{"prompt":"a","num_beams":4,"top_p":0.5}""", "top_p", "left out with num_beams above 1")]
    [InlineData("""{"prompt":"a","num_beams":2,"n":3}""", "n", "at most num_beams (2)")]
    [InlineData("""{"prompt":"a","length_penalty":2}""", "length_penalty", "without num_beams above 1")]
    [InlineData("""{"prompt":"a","early_stopping":"always"}""", "early_stopping", "true, false or \"never\"")]
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
    [InlineData("""{"messages":[{"role":"user","content":[]}]}""", "messages", "[0] with content that is a string or a non-empty array of text parts, was an empty array")]
    [InlineData("""{"messages":[{"role":"user","content":7}]}""", "messages", "was the number 7")]
    [InlineData("""{"messages":[{"role":"user","content":["a"]}]}""", "messages", "[0].content[0] {type: text, text: a string} and nothing else")]
    [InlineData("""{"messages":[{"role":"user","content":[{"type":"text","text":"a","x":1}]}]}""", "messages", "and nothing else")]
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

    [Theory]
    [InlineData(""" "structured_outputs":{"regex":"a+"} """, null, "a+")]
    [InlineData(""" "structured_outputs":{"json_schema":{"type": "null"}} """, "{\"type\": \"null\"}", null)]
    [InlineData(""" "structured_outputs":{"json":"{\"type\":\"null\"}","regex":null} """, "{\"type\":\"null\"}", null)]
    [InlineData(""" "structured_outputs":{"json_object":true} """, "{\"type\":\"object\"}", null)]
    [InlineData(""" "response_format":{"type":"json_object"} """, "{\"type\":\"object\"}", null)]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":{"const":1}}} """, "{\"const\":1}", null)]
    [InlineData(""" "response_format":{"type":"text"} """, null, null)]
    public void Parse_TakesWhatTheTextMustBe_AsVllmAndAsOpenAiWriteIt(string field, string? schema, string? regex)
    {
        var request = Parse($$"""{"prompt":"a",{{field}}}""");
        var outputs = request.Parameters.Over(new SamplingParams()).StructuredOutputs;

        Assert.Equal((schema, regex), (outputs?.JsonSchema, outputs?.Regex));
        Assert.Equal(outputs, JsonSerializer.Deserialize<JobRequest>(JsonSerializer.Serialize(request, JobJson.Options), JobJson.Options)!.Parameters.StructuredOutputs);
    }

    [Theory]
    [InlineData(""" "structured_outputs":{"regex":"(?=a)"} """, "structured_outputs", "look-ahead is not supported (character 1)")]
    [InlineData(""" "structured_outputs":{"json_schema":{"not":{}}} """, "structured_outputs", "the keyword 'not' is not supported")]
    [InlineData(""" "structured_outputs":{"choice":"a"} """, "structured_outputs", "choice is a string")]
    [InlineData(""" "structured_outputs":{"regex":"a","choice":["b"]} """, "structured_outputs", "exactly one of json_schema, json_object, regex and choice, was one with \"regex\", \"choice\"")]
    [InlineData(""" "structured_outputs":{"grammar":"a"} """, "structured_outputs", "was one with \"grammar\"")]
    [InlineData(""" "structured_outputs":{} """, "structured_outputs", "an empty one")]
    [InlineData(""" "structured_outputs":{"regex":"a"},"response_format":{"type":"json_object"} """, "response_format", "saw both")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"name":"n"}} """, "response_format", "one without a schema")]
    [InlineData(""" "response_format":{"type":"xml"} """, "response_format", "text | json_object")]
    public void Parse_SaysWhatWasSeenAndWanted_WhenWhatTheTextMustBeIsWrong(string field, string param, string says)
    {
        var error = Assert.Throws<InvalidJobException>(() => Parse($$"""{"prompt":"a",{{field}}}"""));

        Assert.Equal((JobErrorCode.InvalidRequest, param), (error.Code, error.Param));
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
    }

    private static JobRequest Parse(string json)
    {
        using var document = JobRequestParser.ReadJson(Encoding.UTF8.GetBytes(json));
        return JobRequestParser.Parse(document.RootElement);
    }
}
