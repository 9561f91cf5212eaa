using Batch.Inference.Engine;
using Batch.Jobs.ModelFiles;
using Microsoft.Extensions.Configuration;

namespace Batch.Cli.Doctor;

/// <summary>Each model's folder, checked as loading checks it but without reading the weights, and its need of memory against what is there.</summary>
internal static class ModelCheck
{
    private const string Area = "model";

    // Weights and cache are not all: steps and the process itself take some, too.
    private const double Room = 0.95;

    public static IEnumerable<Finding> Run(IConfiguration configuration, string defaultModel)
    {
        var first = Read(configuration.GetSection("Engine"));
        if (first.ModelPath.Length == 0)
        {
            yield return Finding.Note(Area, "Engine:ModelPath is not set: this looks at the model that ships with Batch");
            first.ModelPath = defaultModel;
        }

        long need = 0;
        foreach (var options in configuration.GetSection("Models").GetChildren().Select(Read).Prepend(first))
        {
            if (BlobModel.IsAddress(options.ModelPath))
            {
                yield return Finding.Note(Area, $"{options.ModelPath} is fetched to {options.ModelCache} at start, and checked then", "run doctor with --set Engine:ModelPath=FOLDER on a copy to check it before");
                continue;
            }

            var (finding, takes) = Inspect(options, need);
            need += takes;
            yield return finding;
        }
    }

    private static EngineOptions Read(IConfigurationSection section)
    {
        try
        {
            return section.Get<EngineOptions>() ?? new EngineOptions();
        }
        catch (InvalidOperationException)
        {
            return new EngineOptions { ModelPath = section["ModelPath"] ?? "" }; // the settings' check says what is wrong
        }
    }

    private static (Finding Finding, long Need) Inspect(EngineOptions options, long others)
    {
        try
        {
            var model = ModelInspection.Of(options);
            var need = model.WeightBytes + model.CacheBytes;
            var message = $"{options.ModelPath}: {model.Family}, {Millions(model.Parameters)} M parameters stored as {model.StoredTypes}, computed as {model.DType} on {model.Device}; " +
                $"weights {Mebibytes(model.WeightBytes)} MiB, cache {Mebibytes(model.CacheBytes)} MiB, {Mebibytes(model.MemoryBytes)} MiB are there";
            var fits = need + others <= model.MemoryBytes * Room;
            return (fits ? Finding.Ok(Area, message) : Finding.Problem(Area, $"{message}: too little", "take a half-precision Engine:DType, a smaller Engine:CacheTokens or Engine:MaxContextLength, or a larger machine"), need);
        }
        catch (Exception e) when (e is IOException or InvalidDataException or NotSupportedException or InvalidOperationException or ArgumentException or UnauthorizedAccessException)
        {
            var fix = e is FileNotFoundException or DirectoryNotFoundException
                ? "name a whole Hugging Face folder: config.json, model.safetensors (or the index and its shards), tokenizer.json"
                : "download the folder again, or take a model that Batch serves (docs/models.md)";
            return (Finding.Problem(Area, e.Message, fix), 0);
        }
    }

    private static string Millions(long count) => FormattableString.Invariant($"{count / 1e6:F1}");

    private static long Mebibytes(long bytes) => bytes >> 20;
}
