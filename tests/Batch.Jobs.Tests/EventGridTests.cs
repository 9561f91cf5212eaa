using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Text.Json;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Messaging.EventGrid;
using Batch.Jobs.Events;
using Batch.Jobs.Storage;
using Batch.Jobs.Tests.Batches;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Tests;

/// <summary>Events on an Event Grid topic, through the real client over a transport that answers as the test says.</summary>
public sealed class EventGridTests(StorageEmulator storage)
{
    private const string Endpoint = "https://evgt-test.swedencentral-1.eventgrid.azure.net/api/events";

    [Fact]
    public async Task ProcessAsync_SendsTheQueuesEventToTheTopic_WhenAJobEnds()
    {
        using var topic = new Topic();
        await using var batch = await TestBatch.StartAsync(storage, topic: topic.Client);
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");

        Assert.Empty(await batch.PumpAsync());

        var request = Assert.Single(topic.Requests);
        Assert.Equal(HttpMethod.Post, request.Method);
        Assert.StartsWith($"{Endpoint}?", request.Address, StringComparison.Ordinal);
        Assert.StartsWith("application/cloudevents-batch+json", request.ContentType, StringComparison.Ordinal);
        Assert.Equal("Bearer a-token-for-https://eventgrid.azure.net/.default", request.Authorization);
        AssertSameEvent(Assert.Single(await batch.EventsAsync()), request, $"{job.Id}:succeeded", "batch.job.succeeded");
    }

    [Fact]
    public async Task ProcessAsync_LeavesTheEventPendingAndSendsItOnTheNextDelivery_WhenTheTopicFails()
    {
        using var topic = new Topic { Answers = { HttpStatusCode.InternalServerError } };
        await using var batch = await TestBatch.StartAsync(storage, topic: topic.Client);
        var job = await batch.SubmitAsync("""{"prompt":"Once"}""");

        Assert.Equal(500, Assert.IsType<Azure.RequestFailedException>(Assert.Single(await batch.PumpAsync())).Status);
        Assert.Equal((JobState.Succeeded, EventState.Pending), await StateAsync());

        Assert.Empty(await batch.PumpAsync());
        Assert.Equal((JobState.Succeeded, EventState.Published), await StateAsync());
        Assert.Equal(2, topic.Requests.Count);
        Assert.Equal(topic.Requests[0].Body, topic.Requests[1].Body);
        Assert.Equal([$"{job.Id}:succeeded"], (await batch.EventsAsync()).Select(sent => sent.GetProperty("id").GetString()).Distinct());

        async Task<(JobState, EventState?)> StateAsync()
        {
            var row = await batch.FindAsync(job.Id);
            return (row.State, row.EventState);
        }
    }

    [Fact]
    public async Task DispatchAsync_SendsTheBatchesEventUntilTheTopicTakesIt()
    {
        using var topic = new Topic { Answers = { HttpStatusCode.ServiceUnavailable, HttpStatusCode.Forbidden } };
        await using var batches = await TestBatches.StartAsync(storage, topic: topic.Client);
        var batch = await batches.CreateAsync(TestBatches.Lines(2));

        Assert.Null(await batches.PumpAsync(async () => (await batches.FindAsync(batch)).EventState is EventState.Published));
        Assert.Equal(3, topic.Requests.Count);
        Assert.Single(topic.Requests.Select(request => request.Body).Distinct());
        AssertSameEvent((await batches.EventsAsync())[^1], topic.Requests[^1], $"{batch.Id}:completed", "batch.completed");
    }

    [Theory]
    [InlineData(null, true)]
    [InlineData("", true)]
    [InlineData(Endpoint, true)]
    [InlineData("http://evgt-test.swedencentral-1.eventgrid.azure.net/api/events", false)]
    [InlineData("evgt-test", false)]
    [InlineData("/api/events", false)]
    public void TopicEndpoint_IsEmptyOrHttps(string? endpoint, bool valid)
    {
        var options = new EventGridOptions { TopicEndpoint = endpoint };
        var faults = new List<ValidationResult>();

        Assert.Equal(valid, Validator.TryValidateObject(options, new ValidationContext(options), faults, validateAllProperties: true));

        Assert.All(faults, fault => Assert.Contains($"https address, such as https://NAME.REGION-1.eventgrid.azure.net/api/events, was '{endpoint}'", fault.ErrorMessage, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public async Task SendAsync_SendsToTheQueueAlone_WhenNoTopicIsSet(string? endpoint)
    {
        await using var batch = await TestBatch.StartAsync(storage);
        var sink = EventSink.Create(new JobQueues(batch.Clients), batch.Webhooks.FanOut, new EventFormat(Options.Create(new JobsOptions())), new EventGridOptions { TopicEndpoint = endpoint }, new NoCredential());

        await sink.SendAsync(new TenantEvent("a:succeeded", "batch.job.succeeded", "nobody", "a", batch.Time.GetUtcNow(), new { }), null, TestBatch.Cancellation);

        Assert.Equal("a:succeeded", Assert.Single(await batch.EventsAsync()).GetProperty("id").GetString());
    }

    private static void AssertSameEvent(JsonElement onQueue, Request onTopic, string id, string type)
    {
        var sent = Assert.Single(JsonElement.Parse(onTopic.Body).EnumerateArray());
        Assert.True(JsonElement.DeepEquals(onQueue, sent), onTopic.Body);
        Assert.Equal(id, sent.GetProperty("id").GetString());
        Assert.Equal(type, sent.GetProperty("type").GetString());
        Assert.Equal("1.0", sent.GetProperty("specversion").GetString());
    }

    private sealed record Request(HttpMethod Method, string Address, string? ContentType, string? Authorization, string Body);

    /// <summary>Answers 200 once <see cref="Answers"/> has run out.</summary>
    private sealed class Topic : HttpMessageHandler
    {
        public Topic() =>
            Client = new(new Uri(Endpoint), new NamingCredential(), new EventGridPublisherClientOptions
            {
                Transport = new HttpClientTransport(this),
                Retry = { MaxRetries = 0 },
            });

        public EventGridPublisherClient Client { get; }

        public List<HttpStatusCode> Answers { get; } = [];

        public List<Request> Requests { get; } = [];

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Requests.Add(new(
                request.Method, request.RequestUri!.AbsoluteUri, request.Content!.Headers.ContentType?.ToString(), request.Headers.Authorization?.ToString(),
                await request.Content.ReadAsStringAsync(cancellationToken)));
            return new HttpResponseMessage(Requests.Count <= Answers.Count ? Answers[Requests.Count - 1] : HttpStatusCode.OK);
        }
    }

    /// <summary>Gives a token that names the scope that was asked for.</summary>
    private sealed class NamingCredential : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            new($"a-token-for-{string.Join(' ', requestContext.Scopes)}", DateTimeOffset.MaxValue);

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            new(GetToken(requestContext, cancellationToken));
    }

    private sealed class NoCredential : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("nobody should ask for a token");

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("nobody should ask for a token");
    }
}
