using System.Net;
using System.Net.Http.Json;
using Batch.LocalHost.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Hosting;

namespace Batch.LocalHost.Tests.Http;

public sealed class HttpTriggerTests : IAsyncDisposable
{
    private const string NoPrefix = "--AzureFunctionsJobHost:extensions:http:routePrefix=";

    private readonly Gate _gate = new();
    private readonly List<IDisposable> _owned = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Request_BindsRouteParametersAndReturnsTheResult()
    {
        using var client = await StartAsync(NoPrefix);

        Assert.Equal("get 3 of shelf", await client.GetStringAsync("v1/boxes/shelf/3", Cancellation));
    }

    [Fact]
    public async Task Request_IsFoundUnderTheRoutePrefix_WhichIsApiByDefault()
    {
        using var client = await StartAsync();

        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("api/v1/boxes/shelf/3", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync("v1/boxes/shelf/3", Cancellation)).StatusCode);
    }

    [Fact]
    public async Task Request_IsRefused_WhenTheMethodIsAnother()
    {
        using var client = await StartAsync(NoPrefix);

        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await client.DeleteAsync("v1/boxes/shelf/3", Cancellation)).StatusCode);
    }

    [Fact]
    public async Task Request_IsABadOne_WhenARoutePartIsNotOfTheParametersType()
    {
        using var client = await StartAsync(NoPrefix);

        var response = await client.GetAsync("v1/boxes/shelf/three", Cancellation);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Contains("'three'", (await ProblemAsync(response)).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_NeedsTheKey_OnlyWhenOneIsSet()
    {
        using var open = await StartAsync(NoPrefix);
        using var locked = await StartAsync(NoPrefix, "--LocalHost:FunctionKey=sesame");

        Assert.Equal(HttpStatusCode.OK, (await open.GetAsync("secret", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await locked.GetAsync("secret", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await locked.GetAsync("secret?code=sesam", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await locked.GetAsync("secret?code=sesame", Cancellation)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await locked.GetAsync("v1/boxes/shelf/3", Cancellation)).StatusCode);

        locked.DefaultRequestHeaders.Add("x-functions-key", "sesame");
        Assert.Equal(HttpStatusCode.OK, (await locked.GetAsync("secret", Cancellation)).StatusCode);
    }

    [Fact]
    public async Task Error_IsAProblemThatLeaksNothing()
    {
        using var client = await StartAsync(NoPrefix);

        var response = await client.GetAsync("broken", Cancellation);

        Assert.Equal(HttpStatusCode.InternalServerError, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        Assert.DoesNotContain("password", await response.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Body_IsTooLarge_WhenItIsOverTheLimit()
    {
        using var client = await StartAsync(NoPrefix, "--FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=10");

        var small = await client.PostAsync("length", new StringContent("0123456789"), Cancellation);
        var large = await client.PostAsync("length", new StringContent("0123456789a"), Cancellation);

        Assert.Equal("10", await small.Content.ReadAsStringAsync(Cancellation));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);
        Assert.Equal(413, (await ProblemAsync(large)).Status);
    }

    [Fact]
    public async Task Request_IsRefused_WhenItCameByAnotherHostsName()
    {
        using var client = await StartAsync(NoPrefix);
        client.DefaultRequestHeaders.Host = "elsewhere.example";

        Assert.Equal(HttpStatusCode.BadRequest, (await client.GetAsync("v1/boxes/shelf/3", Cancellation)).StatusCode);
    }

    [Fact]
    public async Task Stop_LetsARunningRequestFinish()
    {
        using var client = await StartAsync(NoPrefix);
        var answer = client.GetStringAsync("wait", Cancellation);
        await _gate.Entered.Task.WaitAsync(Eventually.Patience, Cancellation);

        var stopping = ((IHost)_owned[^1]).StopAsync(Cancellation);
        _gate.Open.SetResult();

        Assert.Equal("done", await answer);
        await stopping.WaitAsync(Eventually.Patience, Cancellation);
    }

    [Fact]
    public async Task Stop_AnswersUnavailable_WhenTheDrainPeriodEndsFirst()
    {
        using var client = await StartAsync(NoPrefix, "--LocalHost:DrainSeconds=0");
        var answer = client.GetAsync("wait", Cancellation);
        await _gate.Entered.Task.WaitAsync(Eventually.Patience, Cancellation);

        var stopping = ((IHost)_owned[^1]).StopAsync(Cancellation);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await answer).StatusCode);
        await stopping.WaitAsync(Eventually.Patience, Cancellation);
    }

    public ValueTask DisposeAsync()
    {
        _owned.ForEach(owned => owned.Dispose());
        return ValueTask.CompletedTask;
    }

    private async Task<HttpClient> StartAsync(params string[] settings)
    {
        var host = await TestHost.StartAsync<Boxes>(settings, _gate);
        _owned.Add(host);
        return new HttpClient(new SocketsHttpHandler()) { BaseAddress = host.GetHttpAddress() };
    }

    private static async Task<ProblemDetails> ProblemAsync(HttpResponseMessage response) =>
        (await response.Content.ReadFromJsonAsync<ProblemDetails>(Cancellation))!;

    public sealed class Gate
    {
        public TaskCompletionSource Entered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource Open { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    public sealed class Boxes(Gate gate)
    {
        [Function("GetBox")]
        public static IResult Get(
            [HttpTrigger(AuthorizationLevel.Anonymous, "get", Route = "v1/boxes/{shelf}/{number}")] HttpRequest request, string shelf, int number) =>
            TypedResults.Text($"{request.Method.ToLowerInvariant()} {number} of {shelf}");

        [Function("secret")]
        public static Task<IResult> SecretAsync([HttpTrigger(AuthorizationLevel.Function)] HttpRequest request, FunctionContext context) =>
            Task.FromResult<IResult>(TypedResults.Text($"{request.Method} {context.FunctionDefinition.Name}"));

        [Function("broken")]
        public static IResult Broken([HttpTrigger(AuthorizationLevel.Anonymous, "get")] HttpRequest request) =>
            throw new InvalidOperationException($"the password is {request.Path}");

        [Function("length")]
        public static async Task<IResult> LengthAsync(
            [HttpTrigger(AuthorizationLevel.Anonymous, "post")] HttpRequest request, CancellationToken cancellationToken)
        {
            using var body = new StreamReader(request.Body);
            return TypedResults.Text($"{(await body.ReadToEndAsync(cancellationToken)).Length}");
        }

        [Function("wait")]
        public async Task<IResult> WaitAsync(
            [HttpTrigger(AuthorizationLevel.Anonymous, "get")] HttpRequest request, CancellationToken cancellationToken)
        {
            gate.Entered.SetResult();
            await gate.Open.Task.WaitAsync(cancellationToken);
            return TypedResults.Text(request.Path == "/wait" ? "done" : "lost");
        }
    }
}
