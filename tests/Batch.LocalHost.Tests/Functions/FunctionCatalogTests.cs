using Azure.Storage.Queues.Models;
using Batch.LocalHost.Functions;
using Batch.LocalHost.Tests.Queues;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Extensions.Configuration;

namespace Batch.LocalHost.Tests.Functions;

public sealed class FunctionCatalogTests
{
    [Theory]
    [InlineData(typeof(NoTrigger), "one parameter with a trigger")]
    [InlineData(typeof(AsyncVoid), "async void")]
    [InlineData(typeof(UnknownParameter), "'count'")]
    [InlineData(typeof(QueueToInterface), "IEnumerable")]
    [InlineData(typeof(QueueWithResult), "returns")]
    [InlineData(typeof(TimerToString), "TimerInfo")]
    [InlineData(typeof(HttpWithoutResult), "IResult")]
    [InlineData(typeof(HttpUnknownRoutePart), "'id'")]
    [InlineData(typeof(Hidden), "public")]
    public void Find_NamesTheFunctionAndWhatIsWrong(Type functions, string wrong)
    {
        var error = Assert.Throws<InvalidOperationException>(() => TestHost.Build([functions], []));

        Assert.Contains("'Bad'", error.Message, StringComparison.Ordinal);
        Assert.Contains(wrong, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Find_Refuses_WhenTwoFunctionsHaveOneName()
    {
        var error = Assert.Throws<InvalidOperationException>(() => TestHost.Build([typeof(Work), typeof(OtherWork)], []));

        Assert.Contains("'WORK'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Find_LeavesOutWhatASettingDisables()
    {
        var settings = new ConfigurationBuilder().AddCommandLine(["--AzureWebJobs.Work.Disabled=true"]).Build();

        Assert.Empty(FunctionCatalog.Find([typeof(Work)], settings).Queues);
    }

    [Fact]
    public void LoadedClasses_AreThoseOfAssembliesThatUseTheHost()
    {
        var classes = FunctionCatalog.LoadedClasses().ToArray();

        Assert.Contains(typeof(Work), classes);
        Assert.DoesNotContain(typeof(QueueMessage), classes);
    }

    public sealed class OtherWork
    {
        [Function("WORK")]
        public static void Run([TimerTrigger("0 * * * * *")] TimerInfo timer) => _ = timer;
    }

    public sealed class NoTrigger
    {
        [Function("Bad")]
        public static void Run(string text) => _ = text;
    }

    public sealed class AsyncVoid
    {
        [Function("Bad")]
        public static async void Run([QueueTrigger("q")] string text) => await Task.FromResult(text);
    }

    public sealed class UnknownParameter
    {
        [Function("Bad")]
        public static void Run([QueueTrigger("q")] string text, int count) => _ = text + count;
    }

    public sealed class QueueToInterface
    {
        [Function("Bad")]
        public static void Run([QueueTrigger("q")] IEnumerable<string> texts) => _ = texts;
    }

    public sealed class QueueWithResult
    {
        [Function("Bad")]
        public static Task<string> RunAsync([QueueTrigger("q")] string text) => Task.FromResult(text);
    }

    public sealed class TimerToString
    {
        [Function("Bad")]
        public static void Run([TimerTrigger("0 * * * * *")] string timer) => _ = timer;
    }

    public sealed class HttpWithoutResult
    {
        [Function("Bad")]
        public static Task RunAsync([HttpTrigger(AuthorizationLevel.Anonymous)] HttpRequest request) => Task.FromResult(request);
    }

    public sealed class HttpUnknownRoutePart
    {
        [Function("Bad")]
        public static IResult Run([HttpTrigger(AuthorizationLevel.Anonymous, Route = "things/{name}")] HttpRequest request, string id) =>
            TypedResults.Text(request.Path + id);
    }

    internal sealed class Hidden
    {
        [Function("Bad")]
        public static void Run([TimerTrigger("0 * * * * *")] TimerInfo timer) => _ = timer;
    }
}
