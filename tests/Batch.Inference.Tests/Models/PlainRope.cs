using System.Text.Json;

namespace Batch.Inference.Tests.Models;

/// <summary>The speed of each pair of dimensions, a pair at a time, as the papers write it: by wavelengths and rotations.</summary>
internal sealed class PlainRope
{
    private readonly JsonElement _config, _rope;
    private readonly double _theta;

    public PlainRope(JsonElement config, int headDim, bool sliding)
    {
        _config = config;
        var family = config.GetProperty("model_type").GetString();
        _rope = Of(config, "rope_parameters") ?? Of(config, "rope_scaling") ?? JsonDocument.Parse("{}").RootElement;
        _rope = Of(_rope, sliding ? "sliding_attention" : "full_attention") ?? _rope;
        _theta = Number("rope_theta") ?? Of(config, "rope_theta")?.GetDouble() ?? 10_000;
        if (family == "gemma3_text" && sliding && Of(config, "rope_parameters") is null)
        {
            (_rope, _theta) = (JsonDocument.Parse("{}").RootElement, Of(config, "rope_local_base_freq")?.GetDouble() ?? 10_000);
        }
        Dimensions = (int)(headDim * (Number("partial_rotary_factor") ?? Of(config, "partial_rotary_factor")?.GetDouble() ?? 1));
    }

    public int Dimensions { get; }

    public double Growth => Kind switch
    {
        "yarn" when Number("attention_factor") is { } given => given,
        "yarn" when Number("mscale") is { } m && Number("mscale_all_dim") is { } all => Mscale(m) / Mscale(all),
        "yarn" => Mscale(1),
        "longrope" => Math.Sqrt(1 + Math.Max(0, Math.Log(Longest / Original) / Math.Log(Original))),
        _ => 1,
    };

    private string Kind => (Of(_rope, "rope_type") ?? Of(_rope, "type"))?.GetString() ?? "default";

    private double Longest => _config.GetProperty("max_position_embeddings").GetDouble();

    private double Original => Number("original_max_position_embeddings") ?? Of(_config, "original_max_position_embeddings")?.GetDouble() ?? Longest;

    private double Factor => Number("factor")!.Value;

    /// <summary>Radians per position of pair <paramref name="i"/>.</summary>
    public double Frequency(int i)
    {
        var wavelength = 2 * Math.PI * Math.Pow(_theta, 2.0 * i / Dimensions);
        return 2 * Math.PI / Kind switch
        {
            "linear" => wavelength * Factor,
            "llama3" => Llama3(wavelength),
            "yarn" => Yarn(i, wavelength),
            "longrope" => wavelength * _rope.GetProperty(Longest > Original ? "long_factor" : "short_factor")[i].GetDouble(),
            _ => wavelength,
        };
    }

    private double Llama3(double wavelength)
    {
        var (low, high) = (Number("low_freq_factor")!.Value, Number("high_freq_factor")!.Value);
        if (wavelength < Original / high)
        {
            return wavelength;
        }
        if (wavelength > Original / low)
        {
            return wavelength * Factor;
        }
        var smooth = (Original / wavelength - low) / (high - low);
        return 1 / ((1 - smooth) / (Factor * wavelength) + smooth / wavelength);
    }

    private double Yarn(int i, double wavelength)
    {
        double Pair(double rotations) => Dimensions * Math.Log(Original / (rotations * 2 * Math.PI)) / (2 * Math.Log(_theta));
        var (from, to) = (Pair(Number("beta_fast") ?? 32), Pair(Number("beta_slow") ?? 1));
        var truncate = Of(_rope, "truncate")?.GetBoolean() ?? true;
        (from, to) = (Math.Max(0, truncate ? Math.Floor(from) : from), Math.Min(Dimensions - 1, truncate ? Math.Ceiling(to) : to));
        var interpolated = i <= from ? 0 : i >= to ? 1 : (i - from) / (to - from);
        return 1 / (interpolated / (Factor * wavelength) + (1 - interpolated) / wavelength);
    }

    private double Mscale(double m) => 1 + 0.1 * m * Math.Log(Factor);

    private double? Number(string name) => Of(_rope, name)?.GetDouble();

    private static JsonElement? Of(JsonElement element, string name) => element.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
