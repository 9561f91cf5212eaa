using System.Diagnostics;
using System.Diagnostics.Metrics;
using Batch.Inference.Engine;
using Batch.Jobs.Storage;

namespace Batch.Jobs.Telemetry;

/// <summary>Span and numbers of one request to an engine, all its choices together, in the words of OpenTelemetry's conventions for generative AI.</summary>
internal sealed class GenerationSpan : IDisposable
{
    private static readonly Meter Meter = new(MetricNames.Meter);

    private static readonly Histogram<long> Tokens = Meter.CreateHistogram(
        MetricNames.TokenUsage, "{token}", "Tokens of a request, input and output.", advice: Buckets<long>(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576));

    private static readonly Histogram<double> Duration = Meter.CreateHistogram(
        MetricNames.RequestDuration, "s", "From the request to the last token.", advice: Buckets(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92));

    private static readonly Histogram<double> FirstToken = Meter.CreateHistogram(
        MetricNames.TimeToFirstToken, "s", "From the request to the first token.", advice: Buckets(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0));

    private static readonly Histogram<double> PerToken = Meter.CreateHistogram(
        MetricNames.TimePerOutputToken, "s", "Per token after the first.", advice: Buckets(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5));

    private readonly Activity? _span;
    private readonly GenerationRequest _request;
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly int[] _tokens; // by choice
    private readonly TagList _tags;
    private long _first; // when the first token came
    private Exception? _failure;

    private GenerationSpan(ModelInfo model, GenerationRequest request, string operationName)
    {
        var operation = new KeyValuePair<string, object?>("gen_ai.operation.name", operationName);
        var provider = new KeyValuePair<string, object?>("gen_ai.provider.name", "batch");
        var name = new KeyValuePair<string, object?>("gen_ai.request.model", model.Name);
        (_request, _tokens, _tags) = (request, new int[request.Sampling.N], new TagList { operation, provider, name });
        _span = Tracing.Start($"{operationName} {model.Name}", ActivityKind.Internal, null, operation, provider, name);
    }

    public static GenerationSpan Start(ModelInfo model, GenerationRequest request, string operation) => new(model, request, operation);

    /// <summary>A piece of a choice has come; from any thread, each choice's in order.</summary>
    public void Add(int choice, GenerationUpdate update)
    {
        _tokens[choice] = update.CompletionTokens;
        if (update.CompletionTokens > 0)
        {
            Interlocked.CompareExchange(ref _first, Stopwatch.GetTimestamp(), 0);
        }
    }

    public void End(IReadOnlyList<JobChoice> choices) => _span?.SetTag("gen_ai.response.finish_reasons", choices.Select(choice => choice.FinishReason).ToArray());

    public void Fail(Exception error)
    {
        _failure = error;
        _span.Fail(error);
    }

    public void Dispose()
    {
        var (input, output, duration) = (_request.PromptTokenIds.Count, _tokens.Sum(), Stopwatch.GetElapsedTime(_started).TotalSeconds);
        _span?.SetTag("gen_ai.usage.input_tokens", input).SetTag("gen_ai.usage.output_tokens", output)
            .SetTag("gen_ai.request.max_tokens", _request.Sampling.MaxTokens).SetTag("gen_ai.request.temperature", _request.Sampling.Temperature)
            .SetTag("gen_ai.request.choice.count", _request.Sampling.N);
        var tags = _tags;
        if (_failure is not null)
        {
            tags.Add("error.type", _failure.GetType().FullName);
        }

        Duration.Record(duration, tags);
        Tokens.Record(input, With("input"));
        Tokens.Record(output, With("output"));
        if (_first != 0)
        {
            var untilFirst = Stopwatch.GetElapsedTime(_started, _first).TotalSeconds;
            FirstToken.Record(untilFirst, _tags);
            if (_tokens.Max() is > 1 and var longest)
            {
                PerToken.Record((duration - untilFirst) / (longest - 1), _tags);
            }
        }

        _span?.Dispose();
    }

    private TagList With(string tokenType)
    {
        var tags = _tags;
        tags.Add("gen_ai.token.type", tokenType);
        return tags;
    }

    private static InstrumentAdvice<T> Buckets<T>(params T[] bounds)
        where T : struct => new() { HistogramBucketBoundaries = bounds };
}
