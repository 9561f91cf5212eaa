using System.Security.Cryptography;
using System.Text;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Identity;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Batch.Inference.Engine;
using Batch.Inference.Weights;
using Batch.Jobs.ModelFiles;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Tests;

/// <summary>Models that lie in blobs come to a folder: whole, right, and not twice.</summary>
public sealed class BlobModelTests : IDisposable
{
    private readonly Downloads _downloads = new();
    private readonly BlobServiceClient _account;
    private readonly BlobContainerClient _container;
    private readonly BlobModel _model;
    private readonly BlobModel _wholeModel; // in ranges that do for one of megabytes
    private readonly string _folder = $"m{Guid.NewGuid():N}";
    private readonly DirectoryInfo _cache = Directory.CreateTempSubdirectory("batch-models-");

    public BlobModelTests(StorageEmulator storage)
    {
        var options = new BlobClientOptions();
        options.AddPolicy(_downloads, HttpPipelinePosition.PerCall);
        var clients = new StorageClients(new(storage.ConnectionString), new(storage.ConnectionString, options), new(storage.ConnectionString));
        _account = new BlobServiceClient(storage.ConnectionString);
        _container = _account.GetBlobContainerClient("models");
        _model = new BlobModel(clients, new DefaultAzureCredential()) { RangeLength = 1000 };
        _wholeModel = new BlobModel(clients, new DefaultAzureCredential()) { RangeLength = 1 << 18 };
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _cache.Delete(recursive: true);

    [Fact]
    public async Task Fetch_BringsTheFilesOfAModelAndNoOthers_AndNothingTwice()
    {
        var weights = RandomNumberGenerator.GetBytes(10_500);
        await UploadAsync(("config.json", "{}"u8.ToArray()), ("model.safetensors", weights), ("pytorch_model.bin", [1]), ("onnx/model.safetensors", [2]), ("README.md", [3]));

        var folder = (await FetchAsync()).ModelPath;
        var first = _downloads.Bytes;
        await FetchAsync();

        Assert.Equal(["config.json", "config.json.etag", "model.safetensors", "model.safetensors.etag"], Directory.EnumerateFiles(folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(weights, await File.ReadAllBytesAsync(Path.Combine(folder, "model.safetensors"), Cancellation));
        Assert.Equal((10_502, 10_502), (first, _downloads.Bytes));
    }

    [Fact]
    public async Task Fetch_GoesOnWhereItWas_WhenItWasBrokenOff()
    {
        var weights = RandomNumberGenerator.GetBytes(40_000);
        await UploadAsync(("model.safetensors", weights));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _model.FetchAsync(Options(), new Progress(value => Cut(value, stop)), stop.Token));
        var before = _downloads.Bytes;
        var seen = new List<LoadProgress>();
        var folder = (await _model.FetchAsync(Options(), new Progress(seen.Add), Cancellation)).ModelPath;

        Assert.Equal(weights, await File.ReadAllBytesAsync(Path.Combine(folder, "model.safetensors"), Cancellation));
        Assert.InRange(before, 12_000, 20_000);
        Assert.Equal(28_000, _downloads.Bytes - before); // from the last step that was noted
        Assert.Equal(new LoadProgress(16_000, 40_000), seen[0]);
        Assert.Equal(100, seen[^1].Percent);

        static void Cut(LoadProgress value, CancellationTokenSource stop)
        {
            if (value.BytesDone == 12_000)
            {
                stop.Cancel();
            }
        }
    }

    [Fact]
    public async Task Fetch_BeginsAnew_WhenTheBlobHasChanged()
    {
        await UploadAsync(("model.safetensors", new byte[5_000]));
        await FetchAsync();
        var weights = RandomNumberGenerator.GetBytes(5_000);
        await UploadAsync(("model.safetensors", weights));

        Assert.Equal(weights, await File.ReadAllBytesAsync(Path.Combine((await FetchAsync()).ModelPath, "model.safetensors"), Cancellation));
    }

    [Fact]
    public async Task Fetch_RefusesWhatHasAnotherHashThanTheBlobSays()
    {
        await UploadAsync(("model.safetensors", new byte[5_000]));
        await _container.GetBlobClient($"{_folder}/model.safetensors").SetHttpHeadersAsync(new BlobHttpHeaders { ContentHash = new byte[16] }, cancellationToken: Cancellation);

        var error = await Assert.ThrowsAsync<InvalidDataException>(FetchAsync);

        Assert.Contains("MD5", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Directory.EnumerateFiles(_cache.FullName, "*", SearchOption.AllDirectories), file => file.EndsWith("safetensors", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Fetch_HoldsEveryFileToTheListOfHashes_WhereThereIsOne(bool isRight)
    {
        var weights = RandomNumberGenerator.GetBytes(5_000);
        var hash = Convert.ToHexStringLower(SHA256.HashData(isRight ? weights : "else"u8));
        await UploadAsync(("model.safetensors", weights), ("SHA256SUMS", Encoding.UTF8.GetBytes($"{hash}  SHA256SUMS\n{hash}  model.safetensors\n{hash}  not-here.bin\n")));

        if (isRight)
        {
            await FetchAsync();
            return;
        }

        var error = await Assert.ThrowsAsync<InvalidDataException>(FetchAsync);
        Assert.Contains($"SHA256SUMS says {hash}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Fetch_SaysWhatIsWrongWithTheAddress()
    {
        await _container.CreateIfNotExistsAsync(cancellationToken: Cancellation);

        await Assert.ThrowsAsync<FileNotFoundException>(FetchAsync);
        Assert.Contains("identity", (await Assert.ThrowsAsync<InvalidDataException>(() => FetchAsync("https://a.blob.core.windows.net/models/x?sv=1&sig=secret"))).Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", (await Assert.ThrowsAsync<InvalidDataException>(() => FetchAsync("https://a.blob.core.windows.net/models/x?sv=1&sig=secret"))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidDataException>(() => FetchAsync("https://a.blob.core.windows.net/models"));
        Assert.Equal("/models/here", (await FetchAsync("/models/here")).ModelPath);
    }

    [Fact]
    public async Task Stream_LeavesTheWeightsWhereTheyAre_AndReadsThemByRanges()
    {
        var weights = RandomNumberGenerator.GetBytes(10_500);
        await UploadAsync(("config.json", "{}"u8.ToArray()), ("model.safetensors", weights));

        var options = await _model.FetchAsync(Streamed(), new Progress(_ => { }), Cancellation);
        using var file = options.Weights!.Open("model.safetensors");
        var read = new byte[12_000];

        Assert.Equal(["config.json", "config.json.etag"], Directory.EnumerateFiles(options.ModelPath).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal((true, false, 10_500), (options.Weights.Contains("model.safetensors"), options.Weights.Contains("config.json"), file.Length));
        Assert.Equal((10_500, 0), (file.Read(0, read), file.Read(10_500, read)));
        Assert.Equal(weights, read[..10_500]);
        Assert.Equal(2_500, file.Read(7_001, read.AsSpan(0, 2_500)));
        Assert.Equal(weights[7_001..9_501], read[..2_500]);
        Assert.Equal(2 + 10_500 + 2_500, _downloads.Bytes);
    }

    [Fact]
    public async Task Stream_RefusesAnotherVersionThanItBeganWith()
    {
        await UploadAsync(("model.safetensors", new byte[5_000]));
        var options = await _model.FetchAsync(Streamed(), new Progress(_ => { }), Cancellation);
        using var file = options.Weights!.Open("model.safetensors");
        await UploadAsync(("model.safetensors", new byte[5_000]));

        Assert.Equal(412, Assert.Throws<RequestFailedException>(() => file.Read(0, new byte[5_000])).Status);
    }

    [Fact]
    public async Task Stream_GivesTheWeightsOfTheFolder_BitByBit()
    {
        var source = Path.Combine(Repository, "models", "draft-5m");
        await UploadAsync([.. Directory.EnumerateFiles(source).Select(file => (Path.GetFileName(file), File.ReadAllBytes(file)))]);
        var options = Streamed();
        options.Device = "cpu";

        await using var streamed = LlmEngine.Load(await _wholeModel.FetchAsync(options, new Progress(_ => { }), Cancellation));
        await using var local = LlmEngine.Load(new EngineOptions { ModelPath = source, Device = "cpu" });

        // Of every tensor's bytes as they were read.
        Assert.Equal(local.Model.Identity, streamed.Model.Identity);
        Assert.DoesNotContain(Directory.EnumerateFiles(_cache.FullName, "*", SearchOption.AllDirectories), file => file.Contains("safetensors", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Stream_HoldsTheWeightsToTheListOfHashes_AndReadsThemOnce()
    {
        var files = Directory.EnumerateFiles(Path.Combine(Repository, "models", "draft-5m")).ToDictionary(file => Path.GetFileName(file), File.ReadAllBytes);
        var (weights, list) = (files["model.safetensors"], string.Concat(files.Select(file => $"{Convert.ToHexStringLower(SHA256.HashData(file.Value))}  {file.Key}\n")));
        await UploadAsync([.. files.Select(file => (file.Key, file.Value)), ("SHA256SUMS", Encoding.UTF8.GetBytes(list))]);
        var options = Streamed();
        options.Device = "cpu";
        var found = await _wholeModel.FetchAsync(options, new Progress(_ => { }), Cancellation);
        var before = _downloads.Bytes;

        await using var streamed = LlmEngine.Load(found);
        await using var local = LlmEngine.Load(new EngineOptions { ModelPath = Path.Combine(Repository, "models", "draft-5m"), Device = "cpu" });

        Assert.Equal(weights.Length, _downloads.Bytes - before);
        Assert.Equal(local.Model.Identity, streamed.Model.Identity);
    }

    [Theory]
    [InlineData(0.01)]
    [InlineData(0.5)]
    [InlineData(1)]
    public async Task Stream_RefusesWeightsOfAnotherHash_BeforeTheEngineIsThere(double place)
    {
        var files = Directory.EnumerateFiles(Path.Combine(Repository, "models", "draft-5m")).ToDictionary(file => Path.GetFileName(file), File.ReadAllBytes);
        var weights = files["model.safetensors"];
        var wanted = Convert.ToHexStringLower(SHA256.HashData(weights));
        var header = 8 + BitConverter.ToInt64(weights);
        weights[header + (long)(place * (weights.Length - header - 1))] ^= 1;
        await UploadAsync([.. files.Select(file => (file.Key, file.Value)), ("SHA256SUMS", Encoding.UTF8.GetBytes($"{wanted} *./model.safetensors\n"))]);
        var options = Streamed();
        options.Device = "cpu";
        var found = await _wholeModel.FetchAsync(options, new Progress(_ => { }), Cancellation);

        var error = Assert.Throws<InvalidDataException>(() => LlmEngine.Load(found));

        Assert.Contains($"{_folder}/model.safetensors has SHA-256 {Convert.ToHexStringLower(SHA256.HashData(weights))}, SHA256SUMS says {wanted}", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("SHA256 (model.safetensors) = e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85  model.safetensors")]
    [InlineData("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  ")]
    public async Task Fetch_RefusesAListOfHashesThatIsNone_ByLine(string line)
    {
        await UploadAsync(("model.safetensors", []), ("SHA256SUMS", Encoding.UTF8.GetBytes($"\n{line}\n")));

        var error = await Assert.ThrowsAsync<InvalidDataException>(FetchAsync);

        Assert.Contains($"SHA256SUMS, line 2: '{line}' is none of 64 hexadecimal digits", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task EngineHost_ServesAModelFromBlobs(bool stream)
    {
        var source = Path.Combine(Repository, "models", "draft-5m");
        await UploadAsync([.. Directory.EnumerateFiles(source).Select(file => (Path.GetFileName(file), File.ReadAllBytes(file)))]);
        var options = Create(stream ? Streamed() : Options());
        options.Value.Device = "cpu";
        await using var engines = new EngineHost(
            (found, progress) => LlmEngine.Load(found, null, progress), options, Create(new ModelsOptions()), TimeProvider.System, NullLogger<EngineHost>.Instance,
            new BlobModel(new(null!, _account, null!), new DefaultAzureCredential()));

        await engines.StartAsync(Cancellation);
        var engine = await engines.GetAsync(Cancellation);

        Assert.Equal(_folder, engines.ModelName);
        Assert.Equal("llama", engine.Model.Family);
        await engines.StopAsync(CancellationToken.None);
    }

    private static string Repository
    {
        get
        {
            var folder = AppContext.BaseDirectory;
            while (!File.Exists(Path.Combine(folder, "Batch.sln")))
            {
                folder = Path.GetDirectoryName(folder)!;
            }

            return folder;
        }
    }

    private static IOptions<T> Create<T>(T options)
        where T : class => Microsoft.Extensions.Options.Options.Create(options);

    private EngineOptions Options(string? path = null) => new() { ModelPath = path ?? $"{_container.Uri}/{_folder}", ModelCache = _cache.FullName };

    private EngineOptions Streamed()
    {
        var options = Options();
        options.StreamWeights = true;
        return options;
    }

    private Task<EngineOptions> FetchAsync() => FetchAsync(null);

    private Task<EngineOptions> FetchAsync(string? path) => _model.FetchAsync(Options(path), new Progress(_ => { }), Cancellation);

    private async Task UploadAsync(params (string Name, byte[] Content)[] files)
    {
        await _container.CreateIfNotExistsAsync(cancellationToken: Cancellation);
        foreach (var (name, content) in files)
        {
            await _container.GetBlobClient($"{_folder}/{name}").UploadAsync(BinaryData.FromBytes(content), overwrite: true, Cancellation);
        }
    }

    private sealed class Progress(Action<LoadProgress> tell) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => tell(value);
    }

    // Bytes of blobs that came.
    private sealed class Downloads : HttpPipelinePolicy
    {
        private long _bytes;

        public long Bytes => Interlocked.Read(ref _bytes);

        public override void Process(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline) => ProcessNext(message, pipeline);

        public override async ValueTask ProcessAsync(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline)
        {
            await ProcessNextAsync(message, pipeline);
            if (message.Request.Method == RequestMethod.Get && message.Response.Headers.TryGetValue("Content-Range", out _))
            {
                Interlocked.Add(ref _bytes, message.Response.Headers.ContentLength ?? 0);
            }
        }
    }
}
