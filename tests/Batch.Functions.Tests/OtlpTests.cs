using System.Text;
using Batch.Jobs.Storage;
using Batch.Jobs.Tests;
using Google.Protobuf;

namespace Batch.Functions.Tests;

/// <summary>The exporters that settings turn on, over real HTTP.</summary>
public sealed class OtlpTests(StorageEmulator storage)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task OtlpEndpoint_GetsTracesMetricsAndLogs_AsProtobuf()
    {
        await using var collector = Receiver.Start();
        await using (var host = await RunningHost.StartAsync(
            storage, _ => new ScriptedEngine(),
            settings: [$"--OTEL_EXPORTER_OTLP_ENDPOINT={collector.Address}", "--OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "--OTEL_SERVICE_NAME=batch-test", "--Logging:OpenTelemetry:LogLevel:Batch=Information"]))
        {
            await host.FinishedAsync(await host.SubmitForIdAsync("""{"prompt":"Once"}"""));
            while ((await host.Queue(JobQueues.Events).PeekMessageAsync(Cancellation)).Value is null)
            {
                // The span of the event's publication ends soon after.
            }
        }

        // What was not sent before is sent when the host ends.
        AssertHolds("/v1/traces", "send batch-jobs", "process batch-jobs", "text_completion scripted", "send batch-events", "gen_ai.usage.output_tokens", "batch-test");
        AssertHolds("/v1/metrics", "gen_ai.client.token.usage", "messaging.client.consumed.messages", "batch.engine.occupancy", "batch-test");
        AssertHolds("/v1/logs", "JobId", "batch-test");

        void AssertHolds(string path, params string[] texts)
        {
            var requests = collector.Requests.Where(request => request.Path == path).ToList();
            Assert.NotEmpty(requests);
            Assert.All(requests, request => Assert.Equal("application/x-protobuf", request.Headers["Content-Type"]));
            var strings = requests.SelectMany(request => StringsIn(request.Body)).ToHashSet();
            Assert.Subset(strings, texts.ToHashSet());
        }
    }

    // Every text in a message of any type, since a text and a message inside are written alike.
    private static List<string> StringsIn(byte[] message)
    {
        var (input, found) = (new CodedInputStream(message), new List<string>());
        while (input.ReadTag() is > 0 and var tag)
        {
            switch (WireFormat.GetTagWireType(tag))
            {
                case WireFormat.WireType.LengthDelimited:
                    var inner = input.ReadBytes().ToByteArray();
                    found.Add(Encoding.UTF8.GetString(inner));
                    found.AddRange(IsMessage(inner) ? StringsIn(inner) : []);
                    break;
                default:
                    input.SkipLastField();
                    break;
            }
        }

        return found;
    }

    private static bool IsMessage(byte[] bytes)
    {
        try
        {
            var input = new CodedInputStream(bytes);
            while (input.ReadTag() is > 0 and var tag)
            {
                if (WireFormat.GetTagWireType(tag) is WireFormat.WireType.StartGroup or WireFormat.WireType.EndGroup)
                {
                    return false;
                }

                input.SkipLastField();
            }

            return true;
        }
        catch (InvalidProtocolBufferException)
        {
            return false;
        }
    }
}
