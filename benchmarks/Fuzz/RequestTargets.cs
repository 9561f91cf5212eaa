using System.Net;
using System.Text;
using System.Text.Json;
using Batch.Jobs.Access;
using Batch.Jobs.Batches;
using Batch.Jobs.Requests;
using Batch.Jobs.Schedules;
using Batch.Jobs.Webhooks;

namespace Batch.Benchmarks.Fuzz;

/// <summary>What callers write: submissions, lines, batches, schedules, keys, addresses.</summary>
internal static class RequestTargets
{
    private static readonly string[] Jobs =
    [
        """{"prompt":"Once upon a time","max_tokens":64,"temperature":0.7,"seed":7,"stop":["\n\n","END"],"metadata":{"order":"17"},"priority":3}""",
        """{"id":"a-1","tenant":"default","model":"default","prompt_token_ids":[1,2,3],"min_tokens":1,"n":2,"top_k":5,"top_p":0.9,"min_p":0.05,"typical_p":0.9,"logit_bias":{"5":-100,"7":1.5},"allowed_token_ids":[1,2,3]}""",
        """{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"Write."}]}],"webhook_url":"https://example.org/hook?x=1","not_before":"2026-03-04T05:06:07Z","deadline":1893456000}""",
        """{"prompt":"x","presence_penalty":1,"frequency_penalty":-1,"repetition_penalty":1.1,"bad_words":["no"],"no_repeat_ngram_size":3,"dry_multiplier":0.8,"dry_base":1.75,"dry_allowed_length":2,"dry_sequence_breakers":["\n"],"repetition_detection":{"max_pattern_size":5,"min_count":3}}""",
        """{"prompt":"x","structured_outputs":{"json_schema":{"type":"object","properties":{"a":{"type":"string","maxLength":5},"b":{"enum":[1,2]}},"required":["a"]}}}""",
        """{"prompt":"x","structured_outputs":{"regex":"[a-z]{1,5}(x|y)*"},"logprobs":3,"prompt_logprobs":1,"echo":true}""",
        """{"prompt":"x","response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"array","items":{"type":"integer"}}}},"num_beams":4,"length_penalty":1,"early_stopping":true}""",
        """{"prompt":"x","interventions":[{"when":{"regex":"cat|dog"},"then":{"inject":"fish"},"limit":2},{"when":{"every":5},"then":[{"ban":{"words":["x"],"token_ids":[5],"for_tokens":3}},{"set":{"temperature":0.1,"for_tokens":3}}]},{"when":{"entropy":{"above":2,"for":3}},"then":{"rollback":{"tokens":3}}},{"when":{"repetition":{"size":3,"times":3}},"then":{"stop":true}}]}""",
        """{"kind":"fill-mask","prompt":"A [MASK] b","targets":["x","y"],"top_k":5}""",
    ];

    private static readonly string[] JobWords =
    [
        "\"prompt\":", "\"messages\":", "\"n\":", "\"seed\":", "\"stop\":", "\"logit_bias\":", "\"interventions\":", "\"structured_outputs\":", "\"response_format\":", "\"tenant\":", "\"id\":", "\"webhook_url\":",
        "\"max_tokens\":", "\"num_beams\":", "\"regex\":", "\"when\":", "\"then\":", "\"(a+)+$\"", "\"(?:(?:(?:a{1,99}){1,99}){1,99})\"", "\"\\\\p{L}{0,1000}\"", "\"[\\\\w\\\\W]*\"", "\"fill-mask\"", "128", "100000", "\"2026-13-45T99:99:99Z\"",
    ];

    private static readonly string[] Lines =
    [
        """{"custom_id":"line-1","method":"POST","url":"/v1/completions","body":{"model":"m","prompt":"Once","max_tokens":5,"user":"u","best_of":1,"logprobs":2,"stream":false}}""",
        """{"custom_id":"line-2","method":"POST","url":"/v1/chat/completions","body":{"messages":[{"role":"developer","content":"Be brief","name":"x"},{"role":"user","content":"Write"},{"role":"assistant","content":null,"refusal":null}],"max_completion_tokens":5,"logprobs":true,"top_logprobs":2}}""",
        """{"custom_id":"3","method":"POST","url":"/v1/completions","body":{"prompt":[[1,2,3]],"response_format":{"type":"json_object"}}}""",
    ];

    private static readonly string[] Batches =
    [
        """{"input_file_id":"file-1","endpoint":"/v1/completions","completion_window":"24h","metadata":{"a":"b"},"output_expires_after":{"anchor":"created_at","seconds":3600},"priority":2,"webhook_url":"https://example.org/"}""",
        """{"input_blob":"inputs/lines.jsonl","output_folder":{"url":"outputs/one"},"endpoint":"/v1/chat/completions","completion_window":"PT90M"}""",
    ];

    private static readonly string[] Schedules =
    [
        """{"name":"daily","cron":"0 6 * * 1-5","time_zone":"Asia/Shanghai","misfire":"catch_up_once","job":{"prompt":"Write of {{ row.topic }} on {{ now | date.to_string '%F' }}","max_tokens":50,"metadata":{"run":"{{ run }}"}},"rows_blob":"inputs/rows.csv","variables":{"tone":"dry"}}""",
        """{"cron":"*/5 * * * * *","job":{"messages":[{"role":"user","content":"{{ for i in 1..3 }}{{ i }} {{ end }}{{ vars.tone | string.upcase }}"}]},"variables":{"tone":"dry"}}""",
        """{"cron":"@weekly","batch":{"endpoint":"/v1/completions","completion_window":"24h","body":{"prompt":"Of {{ row.topic }}","max_tokens":5},"metadata":{"run":"{{ run }}"}},"rows_blob":"inputs/rows.csv"}""",
        """{"cron":"@daily","job":{"prompt":"{{ func f(x); ret x + 1; end; f(2) }} {{ if run > 1 }}again{{ else }}first{{ end }} {{ [1,2,3] | array.join ',' }}"}}""",
    ];

    private static readonly string[] Templates =
    [
        "{{", "}}", "{{ for i in 1..1000000000 }}x{{ end }}", "{{ 'a' | string.pad_left 2000000000 }}", "{{ while true }}{{ end }}", "{{ func f; f; end; f }}", "{{ x = 'aaaaaaaaaa'; for i in 1..40; x = x + x; end; x }}",
        "{{ 'a' * 1000000000 }}", "{{ (1..100000000) | array.size }}", "{{ 2 ** 1000000 }}", "{{ include 'x' }}", "{{ import 'x' }}", "{{ object.eval '1+1' }}", "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaa!' | regex.match '(a+)+$' }}", "{{ row }}", "{{ vars }}",
        "{{ now }}", "row.topic", "| string.replace 'a' 'b'", "| array.sort", "| math.times 1e300", "{{ capture x }}", "{{ this }}", "{{ '", "{{ \"", "{{ math.random 1 2 }}", "{{ [[[[1]]]] }}", "{{ {a:1} }}", "{{ string.split '' }}",
    ];

    private static readonly string[] Crons = ["0 6 * * 1-5", "*/5 * * * *", "0 0 31 2 *", "0 0 L * *", "0 0 * * 5L", "0 0 15W * *", "*/10 0-5,7 1,15 JAN-MAR MON#2", "@daily", "30 */5 * * * *", "59 23 29 2 *"];

    private static readonly string[] Urls =
    [
        "https://example.org/hook", "https://example.org:8443/a/b?c=d#e", "http://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://127.1/",
        "https://169.254.169.254/latest/meta-data", "https://user:pw@example.org/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[fe80::1%25eth0]/", "https://１２７.０.０.１/", "https://example.org./",
    ];

    public static IEnumerable<FuzzTarget> All =>
    [
        FuzzTarget.Of("job", Jobs, JobWords, input => FuzzTarget.Takes(
            () =>
            {
                using var json = JobRequestParser.ReadJson(input);
                JobRequestParser.Parse(json.RootElement);
            },
            typeof(InvalidJobException)), 20),
        FuzzTarget.Of("batch-line", Lines, ["\"custom_id\":", "\"body\":", "\"prompt\":[[1],[2]]", "\"stream\":true", "\"top_logprobs\":", .. JobWords], input => FuzzTarget.Takes(
            () =>
            {
                var endpoint = input.AsSpan().IndexOf("chat"u8) >= 0 ? CompletionBody.Chat : CompletionBody.Text;
                using var line = BatchLine.Parse(input, endpoint);
                CompletionBody.Parse(endpoint, line.Body);
            },
            typeof(InvalidLineException), typeof(InvalidJobException)), 20),
        FuzzTarget.Of("jsonl", [string.Join('\n', Lines), string.Join("\r\n", Lines) + "\r\n", "\n\n" + Lines[0]], ["\n", "\r", "\r\n", "\n\n\n"], ReadLines),
        FuzzTarget.Of("batch", Batches, ["\"input_blob\":", "\"../x\"", "\"inputs/../results/x\"", "\"999999999d\"", "\"output_folder\":"], input => FuzzTarget.Takes(() => BatchRequest.Parse(input), typeof(InvalidJobException))),
        FuzzTarget.Of("schedule", Schedules, Templates, ReadSchedule),
        FuzzTarget.Of("cron", Crons, ["*", "/", "-", "#", "L", "W", "?", "59", "60", "SUN", "DEC", "@every_second", "1/0", "0-99999999999"], ReadCron),
        FuzzTarget.Of("template", [.. Templates.Skip(2)], Templates, ReadTemplate, 2),
        FuzzTarget.Of("api-key", ["""{"name":"n","scopes":["read","submit"],"expires_at":"2030-01-01T00:00:00Z"}""", """{"overlap_seconds":60}"""], ["\"scopes\":", "\"admin\""], input => FuzzTarget.Takes(
            () =>
            {
                ApiKeyRequest.Parse(input, DateTimeOffset.UnixEpoch);
                ApiKeyRequest.ParseOverlap(input);
            },
            typeof(InvalidJobException))),
        FuzzTarget.Of("webhook-url", Urls, ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "::ffff:", "%00", "xn--", "@", "\\", "//", "https:", "http:", "file:///etc/passwd", "gopher://"], ReadAddress, 20),
    ];

    private static bool ReadLines(byte[] input)
    {
        const int Longest = 2000;
        using var stream = new MemoryStream(input);
        var (next, tooLong) = (1, false);
        foreach (var line in LineReader.ReadAsync(stream, Longest, CancellationToken.None).ToBlockingEnumerable())
        {
            if (line.Number != next++ || tooLong || (line.Text.Length > Longest && !line.IsTooLong) || line.Text.Span.Contains((byte)'\n'))
            {
                throw new InvalidOperationException($"line {line.Number} of {line.Text.Length} bytes");
            }

            tooLong = line.IsTooLong;
        }

        return !tooLong;
    }

    private static bool ReadSchedule(byte[] input) => FuzzTarget.Takes(
        () =>
        {
            using var json = JobRequestParser.ReadJson(input);
            var definition = ScheduleDefinition.Parse(json.RootElement);
            Next(definition);
            Render(definition);
        },
        typeof(InvalidJobException));

    private static bool ReadCron(byte[] input) => FuzzTarget.Takes(
        () =>
        {
            using var json = JsonSerializer.SerializeToDocument(new { cron = Encoding.Latin1.GetString(input), time_zone = "Europe/Berlin", job = new { prompt = "x" } });
            Next(ScheduleDefinition.Parse(json.RootElement));
        },
        typeof(InvalidJobException));

    private static bool ReadTemplate(byte[] input) => FuzzTarget.Takes(
        () =>
        {
            using var json = JsonSerializer.SerializeToDocument(new { cron = "@daily", job = new { prompt = Encoding.UTF8.GetString(input) } });
            Render(ScheduleDefinition.Parse(json.RootElement));
        },
        typeof(InvalidJobException));

    private static void Next(ScheduleDefinition definition)
    {
        var at = DateTimeOffset.UnixEpoch;
        for (var i = 0; i < 3 && definition.NextAfter(at) is { } next; i++)
        {
            at = next > at ? next : throw new InvalidOperationException($"the tick after {at:O} is {next:O}");
        }
    }

    private static void Render(ScheduleDefinition definition)
    {
        var row = new Dictionary<string, string> { ["topic"] = "rain" };
        ScheduleTemplate.Compile(definition.Job ?? definition.Batch!).Render(new TemplateValues(DateTimeOffset.UnixEpoch, 3, definition.Variables, row, 1));
    }

    // Whatever is taken as a literal address and is not public must be known as such.
    private static bool ReadAddress(byte[] input) => FuzzTarget.Takes(
        () =>
        {
            using var json = JsonSerializer.SerializeToDocument(new { webhook_url = Encoding.UTF8.GetString(input) });
            var field = json.RootElement.EnumerateObject().Single();
            var uri = new Uri(JsonField.WebAddress(field));
            if (uri.UserInfo.Length > 0 || uri.Scheme is not ("http" or "https"))
            {
                throw new InvalidOperationException($"took {uri}");
            }

            if (IPAddress.TryParse(uri.IdnHost, out var address) && IPAddress.IsLoopback(address) && WebhookAddressGuard.IsPublic(address))
            {
                throw new InvalidOperationException($"took {uri} as public");
            }
        },
        typeof(InvalidJobException));
}
