using System.Globalization;
using System.Reflection;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;
using Batch.Inference.Kernels;
using Batch.Inference.Layers;
using Microsoft.ML.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;

namespace Batch.Inference.Engine;

/// <summary>What else a text depends on, beside weights, prompt and parameters: enough to say later why a replay gives another.</summary>
/// <param name="Tokenizer">SHA-256 of each file of the model's folder that makes token ids of a text.</param>
/// <param name="Config">SHA-256 of each file that says how the weights are used.</param>
/// <param name="Libraries">Versions of what computes.</param>
/// <param name="Kernels">Facts of the machine and the path that decide the order of summation.</param>
public sealed record ModelProvenance(
    IReadOnlyDictionary<string, string> Tokenizer,
    IReadOnlyDictionary<string, string> Config,
    IReadOnlyDictionary<string, string> Libraries,
    IReadOnlyDictionary<string, string> Kernels)
{
    private static readonly string[] TokenizerFiles =
    [
        "tokenizer.json", "vocab.json", "merges.txt", "tokenizer.model", "tekken.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "chat_template.jinja", "chat_template.json",
    ];

    private static readonly string[] ConfigFiles = ["config.json", "generation_config.json"];

    /// <summary>Of no model: for an engine that a test scripts.</summary>
    public static ModelProvenance None { get; } = new(Nothing, Nothing, Nothing, Nothing);

    private static Dictionary<string, string> Nothing => [];

    internal static ModelProvenance Of(string folder, Device device, ScalarType dtype, bool int8 = false) => new(
        Hashes(folder, TokenizerFiles),
        Hashes(folder, ConfigFiles),
        new Dictionary<string, string>
        {
            ["batch"] = VersionOf(typeof(ModelProvenance)),
            ["libtorch"] = __version__,
            ["torchsharp"] = VersionOf(typeof(torch)),
            ["microsoft.ml.tokenizers"] = VersionOf(typeof(BpeTokenizer)),
            ["dotnet"] = Environment.Version.ToString(),
        },
        new Dictionary<string, string>
        {
            ["row_group"] = Devices.RowGroup(device, dtype).ToString(CultureInfo.InvariantCulture),
            ["attention"] = device.type == DeviceType.CPU ? "rows" : "libtorch",
            ["products"] = device.type != DeviceType.CPU || !PackedLinear.Serves(dtype) ? "libtorch" : (int8 ? "int8" : "packed") + (Brgemm.Serves(dtype) ? "" : ", in float32"),
            ["threads"] = get_num_threads().ToString(CultureInfo.InvariantCulture),
            ["vectors"] = Vector512.IsHardwareAccelerated ? "512" : Vector256.IsHardwareAccelerated ? "256" : "128",
        });

    private static SortedDictionary<string, string> Hashes(string folder, string[] names)
    {
        var hashes = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in names.Where(name => File.Exists(Path.Combine(folder, name))))
        {
            using var file = File.OpenRead(Path.Combine(folder, name));
            hashes[name] = $"sha256:{Convert.ToHexStringLower(SHA256.HashData(file))}";
        }
        return hashes;
    }

    private static string VersionOf(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? type.Assembly.GetName().Version!.ToString();
}
