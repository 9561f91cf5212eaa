using System.Globalization;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace Batch.Inference.Weights;

/// <summary>A device, and how much it has free; only the ratio to others matters.</summary>
internal readonly record struct DeviceRoom(Device Device, long Free);

/// <summary>
/// Which device holds which layer of a model that is spread over several: consecutive layers to each, so that a step crosses from one to the next once. What
/// belongs to no layer, embeddings and head above all, lies with the last. Knows names and numbers only.
/// </summary>
internal sealed partial class LayerPlacement
{
    private readonly int[] _of; // which device, of each layer

    private LayerPlacement(IReadOnlyList<Device> devices, int[] of) => (Devices, _of) = (devices, of);

    public IReadOnlyList<Device> Devices { get; }

    /// <summary>Of what belongs to no layer, and of a step's ids and logits.</summary>
    public Device Home => Devices[^1];

    /// <summary>Everything on one device.</summary>
    public static LayerPlacement On(Device device) => new([device], []);

    /// <summary>Fills the devices in proportion to what each has free, with a layer each at least.</summary>
    /// <param name="bytes">Of each tensor, by its name in the checkpoint.</param>
    /// <exception cref="InvalidOperationException">There are fewer layers than devices.</exception>
    public static LayerPlacement Spread(IReadOnlyList<DeviceRoom> devices, IReadOnlyDictionary<string, long> bytes)
    {
        if (devices.Count == 1)
        {
            return On(devices[0].Device);
        }
        var ofLayers = bytes.Where(b => LayerOf(b.Key) is not null).GroupBy(b => LayerOf(b.Key)!.Value).OrderBy(g => g.Key).Select(g => g.Sum(b => b.Value)).ToArray();
        if (ofLayers.Length < devices.Count)
        {
            throw new InvalidOperationException($"Device spreads the model over {devices.Count} devices, and it has {ofLayers.Length} layers; each device takes at least one");
        }
        var of = new int[ofLayers.Length];
        var (whole, room, filled, at) = ((double)bytes.Values.Sum(), (double)devices.Sum(d => d.Free), 0.0, 0);
        var border = devices[0].Free / room * whole; // where the first device's share ends
        for (var layer = 0; layer < of.Length; layer++)
        {
            var (mine, left) = (layer > 0 && of[layer - 1] == at, of.Length - layer);
            if (at < devices.Count - 1 && mine && (filled + ofLayers[layer] / 2.0 > border || left < devices.Count - at))
            {
                border += devices[++at].Free / room * whole;
            }
            of[layer] = at;
            filled += ofLayers[layer];
        }
        return new LayerPlacement([.. devices.Select(d => d.Device)], of);
    }

    public int IndexOf(int layer) => layer < _of.Length ? _of[layer] : Devices.Count - 1;

    public Device Of(int layer) => Devices[IndexOf(layer)];

    public Device Of(string tensor) => LayerOf(tensor) is { } layer ? Of(layer) : Home;

    /// <summary>How many of the model's layers a device holds.</summary>
    public int LayersOn(int device, int layers) => Devices.Count == 1 ? layers : _of.Count(d => d == device);

    // model.layers.3.mlp.up_proj.weight, transformer.h.3.attn.c_attn.weight
    private static int? LayerOf(string tensor) => LayerName().Match(tensor) is { Success: true } match ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : null;

    [GeneratedRegex(@"(?:^|\.)(?:layers|h)\.(\d+)\.")]
    private static partial Regex LayerName();
}
