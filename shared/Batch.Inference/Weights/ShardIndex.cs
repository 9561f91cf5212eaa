using System.Text.Json;

namespace Batch.Inference.Weights;

/// <summary>Which files hold a folder's tensors: model.safetensors, or the shards that model.safetensors.index.json names.</summary>
internal static class ShardIndex
{
    /// <summary>Opens the files and maps each tensor to its own; checks that index and files agree.</summary>
    /// <param name="weights">Where they lie when not in the folder; the index does in any case.</param>
    public static Dictionary<string, (SafetensorsFile File, TensorEntry Entry)> Open(string folder, List<SafetensorsFile> files, IWeightFiles? weights = null)
    {
        weights ??= new LocalWeightFiles(folder);
        var single = Path.Combine(folder, "model.safetensors");
        var index = Path.Combine(folder, "model.safetensors.index.json");
        var shardOf = weights.Contains("model.safetensors") ? null : File.Exists(index) ? Read(index)
            : throw new FileNotFoundException($"{folder} holds neither model.safetensors nor model.safetensors.index.json", single);
        var tensors = new Dictionary<string, (SafetensorsFile File, TensorEntry Entry)>();
        var names = shardOf is null ? ["model.safetensors"] : shardOf.Values.Distinct().Order().ToArray();
        foreach (var name in names)
        {
            var path = Path.Combine(folder, name);
            var file = weights.Contains(name) ? SafetensorsFile.Open(weights.Open(name)) : throw new FileNotFoundException($"{index} names {name}, which is missing", path);
            files.Add(file);
            foreach (var entry in file.Entries.Values)
            {
                if (!tensors.TryAdd(entry.Name, (file, entry)))
                {
                    throw new InvalidDataException($"{file.Path}: tensor '{entry.Name}' is already in {tensors[entry.Name].File.Path}");
                }
            }
        }
        foreach (var (tensor, shard) in shardOf ?? [])
        {
            if (!tensors.TryGetValue(tensor, out var found))
            {
                throw new InvalidDataException($"{index} says that tensor '{tensor}' is in {shard}, which does not hold it");
            }
            if (Path.GetFileName(found.File.Path) != shard)
            {
                throw new InvalidDataException($"{index} says that tensor '{tensor}' is in {shard}, it is in {Path.GetFileName(found.File.Path)}");
            }
        }
        return tensors;
    }

    private static Dictionary<string, string> Read(string index)
    {
        try
        {
            using var json = JsonText.Parse(File.ReadAllBytes(index));
            var map = json.RootElement.GetProperty("weight_map").EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetString() ?? "");
            return map.Values.FirstOrDefault(shard => shard.Length == 0 || shard != Path.GetFileName(shard)) is { } outside
                ? throw new InvalidDataException($"{index} names '{outside}', a shard must lie in the folder itself")
                : map;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or ArgumentException)
        {
            throw new InvalidDataException($"{index} is no index with a weight_map from tensors to files: {e.Message}", e);
        }
    }
}
