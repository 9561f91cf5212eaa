using System.Globalization;
using Batch.ModelTrainer.Model;
using static TorchSharp.torch;

namespace Batch.ModelTrainer.Training;

/// <summary>Where a run stands: everything the next step depends on is in one safetensors file.</summary>
internal sealed record Checkpoint(int Step, int Position, long TokensSeen, double Seconds)
{
    public static Checkpoint Start { get; } = new(0, 0, 0, 0);

    public void Write(string file, LlamaModel model, Optimizer optimizer)
    {
        var metadata = new Dictionary<string, string>
        {
            ["step"] = Step.ToString(CultureInfo.InvariantCulture),
            ["position"] = Position.ToString(CultureInfo.InvariantCulture),
            ["tokens_seen"] = TokensSeen.ToString(CultureInfo.InvariantCulture),
            ["seconds"] = Seconds.ToString(CultureInfo.InvariantCulture),
        };
        SafetensorsFile.Write(file, Tensors(model, optimizer), metadata);
    }

    /// <summary>Fills model and optimizer from the file. Every tensor must be there in the shape that the model has.</summary>
    public static Checkpoint Read(string file, LlamaModel model, Optimizer optimizer)
    {
        using var frozen = no_grad();
        var (saved, metadata) = SafetensorsFile.Read(file);
        foreach (var (name, tensor) in Tensors(model, optimizer))
        {
            if (!saved.TryGetValue(name, out var value) || !value.shape.SequenceEqual(tensor.shape))
            {
                throw new InvalidDataException($"{file}: '{name}' should be [{string.Join(", ", tensor.shape)}], is "
                    + (value is null ? "absent" : $"[{string.Join(", ", value.shape)}]"));
            }
            tensor.copy_(value);
        }
        foreach (var tensor in saved.Values)
        {
            tensor.Dispose();
        }
        return new Checkpoint(
            int.Parse(metadata["step"], CultureInfo.InvariantCulture),
            int.Parse(metadata["position"], CultureInfo.InvariantCulture),
            long.Parse(metadata["tokens_seen"], CultureInfo.InvariantCulture),
            double.Parse(metadata["seconds"], CultureInfo.InvariantCulture));
    }

    private static IEnumerable<KeyValuePair<string, Tensor>> Tensors(LlamaModel model, Optimizer optimizer) =>
    [
        .. model.Weights,
        .. optimizer.Means.Select(entry => KeyValuePair.Create("first." + entry.Key, entry.Value)),
        .. optimizer.Squares.Select(entry => KeyValuePair.Create("second." + entry.Key, entry.Value)),
    ];
}
