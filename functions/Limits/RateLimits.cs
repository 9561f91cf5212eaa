using System.Globalization;
using System.Threading.RateLimiting;
using Batch.Jobs.Access;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;

namespace Batch.Functions.Limits;

/// <summary>
/// A bucket of requests and one of tokens for each tenant, in this process alone: a tenant whose requests reach several replicas has as many
/// buckets. What was taken and is left stands in the headers that OpenAI's clients read.
/// </summary>
public sealed class RateLimits(IOptions<LimitsOptions> options) : IDisposable
{
    private readonly Limit _requests = new("requests", options.Value.RequestsPerMinute);
    private readonly Limit _tokens = new("tokens", options.Value.TokensPerMinute);

    /// <summary>Null, or the answer to a request that came too early.</summary>
    public IResult? TakeRequest(string tenant, HttpResponse response) => _requests.Take(tenant, 1, response);

    /// <summary>Null, or the answer to a submission that came too early.</summary>
    public IResult? TakeTokens(string tenant, ReadOnlyMemory<byte> body, HttpResponse response) =>
        _tokens.Take(tenant, TokenEstimate.Of(body.Span), response);

    public void Dispose()
    {
        _requests.Dispose();
        _tokens.Dispose();
    }

    private sealed class Limit(string unit, int perMinute) : IDisposable
    {
        private readonly PartitionedRateLimiter<string> _buckets = PartitionedRateLimiter.Create<string, string>(
            tenant => RateLimitPartition.GetTokenBucketLimiter(tenant, _ => Bucket(perMinute)));

        public IResult? Take(string tenant, int count, HttpResponse response)
        {
            // What asks for more than a bucket holds waits for a full one.
            using var lease = _buckets.AttemptAcquire(tenant, Math.Min(count, perMinute));
            var left = _buckets.GetStatistics(tenant)?.CurrentAvailablePermits ?? perMinute;
            var headers = response.Headers;
            headers[$"x-ratelimit-limit-{unit}"] = perMinute.ToString(CultureInfo.InvariantCulture);
            headers[$"x-ratelimit-remaining-{unit}"] = left.ToString(CultureInfo.InvariantCulture);
            headers[$"x-ratelimit-reset-{unit}"] = Write(TimeSpan.FromMinutes((double)(perMinute - left) / perMinute));
            if (lease.IsAcquired)
            {
                return null;
            }

            var wait = lease.TryGetMetadata(MetadataName.RetryAfter, out var after) ? after : TimeSpan.FromSeconds(1);
            headers.RetryAfter = Math.Max(1, Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
            return Api.TooMany(unit, $"rate limit reached for tenant {tenant}: {perMinute} {unit} a minute, asked for {count} with {left} left; try again in {Write(wait)}");
        }

        public void Dispose() => _buckets.Dispose();

        // In steps of a tenth of a second or of one token, whichever is longer.
        private static TokenBucketRateLimiterOptions Bucket(int perMinute)
        {
            var step = (perMinute + 599) / 600;
            return new()
            {
                TokenLimit = perMinute,
                TokensPerPeriod = step,
                ReplenishmentPeriod = TimeSpan.FromMinutes((double)step / perMinute),
                QueueLimit = 0,
            };
        }

        // As OpenAI writes times: 1m30s, 12s, 20ms.
        private static string Write(TimeSpan time) => time switch
        {
            { TotalSeconds: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(time.TotalMilliseconds)}ms"),
            { TotalMinutes: < 1 } => string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(time.TotalSeconds)}s"),
            _ => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes}m{time.Seconds}s"),
        };
    }
}
