using System.Text;
using System.Text.Json;
using Azure.Storage.Queues.Models;
using Batch.Benchmarks.Service;
using Batch.Functions;
using Batch.Functions.Batches;
using Batch.Functions.Completions;
using Batch.Functions.Files;
using Batch.Functions.Schedules;
using Batch.Functions.Webhooks;
using Batch.Jobs;
using Batch.Jobs.Schedules;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Batch.Benchmarks.Fuzz;

/// <summary>The functions themselves, as Program.cs builds them, over a storage that forgets: bodies, uploads, route values and queue messages.</summary>
internal sealed class EdgeTargets : IDisposable
{
    private readonly DeafStorage _storage = new();
    private readonly IHost _host;

    public EdgeTargets()
    {
        _host = Functions.Program.BuildHost(
            ["--AzureWebJobsStorage=UseDevelopmentStorage=true", "--Engine:ModelPath=/models/instant", "--Access:Required=false", "--Webhooks:Secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "--Logging:LogLevel:Default=None"],
            services => services.AddSingleton(_storage.Clients()).AddSingleton<EngineLoader>((_, _) => new InstantEngine()));
        var engines = _host.Services.GetRequiredService<EngineHost>();
        engines.StartAsync(CancellationToken.None).GetAwaiter().GetResult();
        engines.GetAsync(CancellationToken.None).GetAwaiter().GetResult();
    }

    public IEnumerable<FuzzTarget> All =>
    [
        Body("http-job", Create<SubmitJob>().RunAsync, """{"prompt":"Once","webhook_url":"https://example.org/"}""", """{"id":"a-1","prompt_token_ids":[1,2]}""", """{"input_blob":"inputs/a.json","max_tokens":3}"""),
        Body("http-batch", Create<CreateBatch>().RunAsync, """{"input_blob":"inputs/lines.jsonl","output_folder":{"url":"outputs/one"},"endpoint":"/v1/completions","completion_window":"24h"}""", """{"input_file_id":"file-1","endpoint":"/v1/completions","completion_window":"24h"}"""),
        Body("http-schedule", Create<CreateSchedule>().RunAsync, """{"cron":"0 6 * * *","job":{"prompt":"Of {{ row.topic }}"},"rows_blob":"inputs/rows.csv"}""", """{"cron":"0 6 * * *","job":{"input_blob":"inputs/{{ run }}.txt"}}"""),
        Body("http-endpoint", Create<CreateWebhookEndpoint>().RunAsync, """{"url":"https://example.org/","events":["batch.job.*","batch.completed"],"format":"cloudevents","status":"disabled","description":"news"}"""),
        Body("http-completion", Create<CreateCompletion>().RunAsync, """{"model":"instant","prompt":"Once","max_tokens":5,"stream":false}""", """{"prompt":[1,2,3],"stream":true,"stream_options":{"include_usage":true}}"""),
        Body("http-chat", Create<CreateChatCompletion>().RunAsync, """{"messages":[{"role":"user","content":"Write"}],"max_completion_tokens":5,"logprobs":true,"top_logprobs":2}"""),
        FuzzTarget.Of("upload", Uploads, ["\r\n", "--b", "--b--", "Content-Disposition: form-data", "; name=\"file\"", "; filename=\"../../x\"", "; filename*=UTF-8''%00", "Content-Type: x", "multipart/form-data", "boundary=", "boundary=\"\"", "Content-Transfer-Encoding: base64"], Upload),
        FuzzTarget.Of("ids", ["job_1", "file-00ff", "batch_0123", "sched_1", "a.b_c-d"], ["/", "\\", "#", "?", "%2f", "..", "'", "\u0001", "\n", " ", "好", "or 1 eq 1"], Ask),
        FuzzTarget.Of("rows", ["topic,tone\nrain,dry\n\"a, b\",\"c \"\"d\"\"\"\n", "{\"topic\":\"rain\"}\n{\"topic\":\"snow\"}\n"], ["\n", ",", "\"", "\r\n", "{\"topic\":1}", "[]"], Rows),
        Message("queue-job", message => Create<ProcessJob>().RunAsync(message, CancellationToken.None), """{"jobId":"job_1"}""", """{"id":"a-1","prompt":"Once","webhook_url":"https://example.org/"}"""),
        Message("queue-webhook", message => Create<DeliverEvent>().RunAsync(message, CancellationToken.None), """{"log":"job default job_1","delivery":"del_1","attempt":2}""", """{"log":"endpoint we_1","delivery":"del_1","attempt":1,"replay":true}"""),
        Message("queue-lines", message => Create<ProcessLines>().RunAsync(message, CancellationToken.None), """{"tenant":"default","batch":"batch_1","slice":1,"at":{"offset":0,"length":10,"first_line":1,"lines":1,"tokens":5}}"""),
        Message("queue-dispatch", message => Create<DispatchBatches>().RunAsync(message, CancellationToken.None), """{"turn":5}""", """{"tenant":"default","validate":"batch_1"}""", "{}"),
    ];

    public void Dispose()
    {
        _host.Dispose();
        _storage.Dispose();
    }

    private static string[] Uploads =>
    [
        "multipart/form-data; boundary=b\n--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\nContent-Type: application/json\r\n\r\n{\"custom_id\":\"1\"}\n\r\n--b--\r\n",
        "multipart/form-data; boundary=\"b\"\n--b\r\nContent-Disposition: form-data; name=\"expires_after[seconds]\"\r\n\r\n3600\r\n--b\r\nContent-Disposition: form-data; name=\"expires_after[anchor]\"\r\n\r\ncreated_at\r\n--b--\r\n",
    ];

    private T Create<T>() => ActivatorUtilities.CreateInstance<T>(_host.Services);

    private FuzzTarget Body(string name, Func<HttpRequest, CancellationToken, Task<IResult>> run, params string[] documents) =>
        FuzzTarget.Of(name, documents, ["\"inputs/../results/a.json\"", "\"inputs/%2e%2e/results/a\"", "\"inputs/a\\\\..\\\\b\"", "\"outputs/../files\"", "\"inputs//a\"", "\"inputs/a?b=c\"", "\"id\":\"a\\n\"", "\"id\":\"a/b\"", "\"stream\":true"], input =>
        {
            _storage.Input = input.Length % 3 == 0 ? null : input;
            return Answers(request => run(request, CancellationToken.None), input, "application/json");
        });

    private bool Upload(byte[] input)
    {
        var line = input.AsSpan().IndexOf((byte)'\n');
        var type = line < 0 ? "" : Encoding.Latin1.GetString(input, 0, line);
        return Answers(request => Create<UploadFile>().RunAsync(request, CancellationToken.None), input[(line + 1)..], type);
    }

    private bool Ask(byte[] input)
    {
        var id = Encoding.UTF8.GetString(input);
        return Answers(request => Create<GetJob>().RunAsync(request, id, CancellationToken.None), [], "")
            | Answers(request => Create<GetFile>().RunAsync(request, id, CancellationToken.None), [], "")
            | Answers(request => Create<GetBatch>().RunAsync(request, id, CancellationToken.None), [], "")
            | Answers(request => Create<GetSchedule>().RunAsync(request, id, CancellationToken.None), [], "")
            | Answers(request => Create<CancelJob>().RunAsync(request, id, CancellationToken.None), [], "");
    }

    private bool Rows(byte[] input)
    {
        var rows = 0;
        return FuzzTarget.Takes(
        () =>
        {
            _storage.Input = input;
            var reader = _host.Services.GetRequiredService<RowsReader>();
            rows = reader.ReadAsync(input.Contains((byte)'{') ? "inputs/a.jsonl" : "inputs/a.csv", 10_000, CancellationToken.None).ToBlockingEnumerable().Count();
        },
        typeof(Jobs.Requests.InvalidJobException)) && rows > 0;
    }

    // Below 500, and written whole: what is refused is refused by the API, not by a crash.
    private bool Answers(Func<HttpRequest, Task<IResult>> run, byte[] body, string contentType)
    {
        var http = new DefaultHttpContext { RequestServices = _host.Services };
        http.Request.Body = new MemoryStream(body);
        http.Request.ContentLength = body.Length;
        http.Request.ContentType = contentType;
        http.Request.Method = "POST";
        http.Response.Body = new MemoryStream();
        var result = run(http.Request).GetAwaiter().GetResult();
        result.ExecuteAsync(http).GetAwaiter().GetResult();
        return http.Response.StatusCode < 500 ? http.Response.StatusCode < 400 : throw new InvalidOperationException($"answered {http.Response.StatusCode}");
    }

    // A message that cannot be read throws, and so ends on the poison queue; any other gets done.
    private static FuzzTarget Message(string name, Func<QueueMessage, Task> run, params string[] documents) =>
        FuzzTarget.Of(name, documents, ["\"jobId\":", "\"attempt\":", "\"tenant\":", "\"turn\":", "\"batch\":", "\"validate\":"], input => FuzzTarget.Takes(
            () => run(QueuesModelFactory.QueueMessage("message-1", "p", BinaryData.FromBytes(input), 1)).GetAwaiter().GetResult(), typeof(JsonException)));
}
