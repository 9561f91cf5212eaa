using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Batch.Jobs.Tests;

namespace Batch.Functions.Tests;

/// <summary>Input files as people have them, uploaded and run over HTTP.</summary>
public sealed class BatchInputTests(StorageEmulator storage)
{
    private const string One = """{"custom_id":"1","method":"POST","url":"/v1/completions","body":{"prompt":"Once"}}""";
    private const string Two = """{"custom_id":"2","method":"POST","url":"/v1/completions","body":{"prompt":"从前"}}""";

    /// <summary>Files by their names: how many lines they mean, or their first error's code and line.</summary>
    private static readonly Dictionary<string, (Func<byte[]> File, string Expected)> Cases = new()
    {
        ["no end of line"] = (() => Bytes($"{One}\n{Two}"), "completed 2"),
        ["CRLF"] = (() => Bytes($"{One}\r\n{Two}\r\n"), "completed 2"),
        ["byte order mark"] = (() => Bytes($"\uFEFF{One}\n{Two}\n"), "completed 2"),
        ["blank lines"] = (() => Bytes($"{One}\n\n \t\n{Two}\n\n\r\n   \n"), "completed 2"),
        ["nothing"] = (() => [], "failed empty_file"),
        ["a byte order mark alone"] = (() => Bytes("\uFEFF"), "failed empty_batch"),
        ["blank lines alone"] = (() => Bytes("\n\r\n"), "failed empty_batch"),
        ["custom_id twice"] = (() => Bytes($"{One}\n{One}\n"), "failed duplicate_custom_id 2"),
        ["two models"] = (() => Bytes($"{One}\n{Two.Replace("\"prompt\"", "\"model\":\"scripted\",\"prompt\"", StringComparison.Ordinal)}"), "failed model_mismatch 2"),
        ["another endpoint"] = (() => Bytes($"{One}\n\n{Two.Replace("/v1/completions", "/v1/chat/completions", StringComparison.Ordinal)}"), "failed url_mismatch 3"),
        ["no endpoint of ours"] = (() => Bytes($"{One}\n{Two.Replace("/v1/completions", "/v1/responses", StringComparison.Ordinal)}"), "failed url_mismatch 2"),
        ["broken UTF-8"] = (() => [.. Bytes($"{One}\n{{\"custom_id\":\""), 0xC3, 0x28, .. Bytes("\"}\n")], "failed invalid_json_line 2"),
        ["UTF-16"] = (() => [.. Encoding.Unicode.GetPreamble(), .. Encoding.Unicode.GetBytes(One)], "failed invalid_json_line 1"),
        ["50,001 lines"] = (() => Bytes(string.Concat(Enumerable.Range(1, 50_001).Select(i => One.Replace("\"1\"", $"\"{i}\"", StringComparison.Ordinal) + "\n"))), "failed too_many_tasks 50001"),
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task File_IsTakenOrRefusedWithItsLine(string name)
    {
        var (make, expected) = Cases[name];
        var file = make();
        await using var host = await RunningHost.StartAsync(storage, _ => new ScriptedEngine());
        using var form = new MultipartFormDataContent { { new StringContent("batch"), "purpose" }, { new ByteArrayContent(file), "file", "input.jsonl" } };
        using var uploaded = await host.Http.PostAsync("v1/files", form, Cancellation);
        var input = await uploaded.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Cancellation);
        Assert.Equal(file.Length, input.GetProperty("bytes").GetInt64());
        using var created = await host.Http.PostAsJsonAsync(
            "v1/batches", new { input_file_id = input.GetProperty("id").GetString(), endpoint = "/v1/completions", completion_window = "24h" }, Cancellation);
        var id = (await created.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>(Cancellation)).GetProperty("id").GetString();

        JsonElement batch;
        do
        {
            batch = await host.GetAsync($"v1/batches/{id}");
        }
        while (batch.GetProperty("status").GetString() is not ("completed" or "failed"));

        Assert.Equal(expected, Told(batch));
    }

    private static string Told(JsonElement batch)
    {
        if (batch.GetProperty("status").GetString() == "completed")
        {
            return $"completed {batch.GetProperty("request_counts").GetProperty("completed")}";
        }

        var error = batch.GetProperty("errors").GetProperty("data")[0];
        return $"failed {error.GetProperty("code").GetString()} {error.GetProperty("line")}".TrimEnd();
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
}
