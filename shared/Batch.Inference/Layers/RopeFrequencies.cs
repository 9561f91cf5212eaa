using Batch.Inference.Models;

namespace Batch.Inference.Layers;

/// <summary>
/// How fast each pair of dimensions turns (Su et al. 2021) and by which factor the turned vectors grow, for every kind of scaling that config.json knows:
/// none, linear, dynamic, llama3, yarn, longrope. Fields of a kind are obeyed; any other is refused by name.
/// </summary>
/// <param name="Frequencies">Radians per position, for each of rotary dimensions / 2 pairs.</param>
/// <param name="Magnitude">Of cosine and sine.</param>
/// <param name="ContextLength">Positions that the scaling is made for.</param>
internal sealed record RopeFrequencies(double[] Frequencies, double Magnitude, int ContextLength)
{
    /// <summary>Reads rope_parameters, or the older rope_scaling and rope_theta.</summary>
    /// <param name="positions">max_position_embeddings</param>
    /// <param name="theta">The family's base, where the config gives none.</param>
    /// <param name="layers">The name in rope_parameters of the layers that are meant, in models that have two kinds.</param>
    public static RopeFrequencies Read(ModelConfig config, int headDim, int positions, float theta = 10_000, string layers = "full_attention")
    {
        config.Require("rope_interleaved", "false");
        theta = config.Float("rope_theta", theta);
        var partial = config.Float("partial_rotary_factor", 1f);
        var (parameters, scaling) = (config.Section("rope_parameters"), config.Section("rope_scaling"));
        if (parameters is not null && scaling is not null)
        {
            throw new NotSupportedException($"{config.Path}: rope_parameters and rope_scaling are both given; one of them must go");
        }
        var own = parameters ?? scaling;
        if (own is null)
        {
            return Unscaled(Dimensions(config, headDim, partial), theta, positions);
        }
        if ((own.Section("full_attention") ?? own.Section("sliding_attention")) is not null)
        {
            own.Find("sliding_attention");
            own.EnsureAllKnown();
            own = own.Section(layers) ?? throw new InvalidDataException($"{own.Path}: {layers} is missing");
        }
        theta = own.Float("rope_theta", theta);
        var dimensions = Dimensions(own, headDim, own.Float("partial_rotary_factor", partial));
        var (newName, oldName) = (own.Text("rope_type"), own.Text("type"));
        var plain = Unscaled(dimensions, theta, positions);
        var frequencies = (newName ?? oldName ?? "default") switch
        {
            "default" => plain,
            "linear" => plain with { Frequencies = Stretch(plain.Frequencies, _ => own.Float("factor")) },
            "dynamic" => Dynamic(own, plain),
            "llama3" => Llama3(own, plain),
            "yarn" => Yarn(own, plain, theta),
            "longrope" or "su" => LongRope(own, config, plain),
            var other => throw new NotSupportedException($"{own.Path}: rope_type = {other} is not supported, only default, linear, dynamic, llama3, yarn, longrope"),
        };
        own.EnsureAllKnown();
        return frequencies;
    }

    /// <summary>theta ^ (-2 i / dimensions)</summary>
    public static RopeFrequencies Unscaled(int dimensions, double theta, int positions) =>
        new(Enumerable.Range(0, dimensions / 2).Select(i => Math.Pow(theta, -2.0 * i / dimensions)).ToArray(), 1, positions);

    private static int Dimensions(ModelConfig config, int headDim, float partial)
    {
        var dimensions = (int)(headDim * (double)partial);
        return dimensions > 0 && dimensions <= headDim && dimensions % 2 == 0
            ? dimensions
            : throw new InvalidDataException($"{config.Path}: {dimensions} rotary dimensions of head_dim {headDim}; an even number up to it is expected");
    }

    private static double[] Stretch(double[] frequencies, Func<int, double> by) => frequencies.Select((f, i) => f / by(i)).ToArray();

    // The base grows with a text beyond max_position_embeddings. What its first tokens were turned by would change under way, and with it the text, by how far
    // it got at once; up to there the frequencies are the unscaled ones, and that is how long a text may be.
    private static RopeFrequencies Dynamic(ModelConfig own, RopeFrequencies plain)
    {
        own.Float("factor");
        own.Require("original_max_position_embeddings", $"{plain.ContextLength}");
        return plain;
    }

    // Llama 3.1: waves shorter than the original context / high_freq_factor stay, those longer than it / low_freq_factor are stretched, between them both are mixed.
    private static RopeFrequencies Llama3(ModelConfig own, RopeFrequencies plain)
    {
        var (factor, low, high, original) = (own.Float("factor"), own.Float("low_freq_factor"), own.Float("high_freq_factor"), own.Int("original_max_position_embeddings"));
        return plain with
        {
            Frequencies = plain.Frequencies.Select(f =>
            {
                var smooth = Math.Clamp((original * f / (2 * Math.PI) - low) / ((double)high - low), 0, 1);
                return f * ((1 - smooth) / factor + smooth);
            }).ToArray(),
        };
    }

    // Peng et al. 2023: dimensions that turn often in the original context stay, those that do not turn once are interpolated, with a ramp between.
    private static RopeFrequencies Yarn(ModelConfig own, RopeFrequencies plain, double theta)
    {
        var (factor, original) = (own.Float("factor"), own.Int("original_max_position_embeddings", plain.ContextLength));
        var (low, high) = (PairThatTurns(own.Float("beta_fast", 32f)), PairThatTurns(own.Float("beta_slow", 1f)));
        if (own.Bool("truncate", true))
        {
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        }
        (low, high) = (Math.Max(low, 0), Math.Min(high, 2 * plain.Frequencies.Length - 1));
        high = low == high ? high + 0.001 : high;
        own.Find("finetuned"); // how the scaling came to be, not what it is
        var (mscale, allDim) = (own.Float("mscale", 0f), own.Float("mscale_all_dim", 0f));
        var magnitude = own.Float("attention_factor", (float)(mscale != 0 && allDim != 0 ? Growth(mscale) / Growth(allDim) : Growth(1)));
        return new(Stretch(plain.Frequencies, i =>
        {
            var interpolated = Math.Clamp((i - low) / (high - low), 0, 1);
            return 1 / (interpolated / factor + (1 - interpolated));
        }), magnitude, Math.Max(plain.ContextLength, (int)(original * (double)factor)));

        double PairThatTurns(double times) => plain.Frequencies.Length * Math.Log(original / (times * 2 * Math.PI)) / Math.Log(theta);
        double Growth(double scale) => factor <= 1 ? 1 : 0.1 * scale * Math.Log(factor) + 1;
    }

    // Ding et al. 2024: a factor for each pair, one set for contexts as long as the original one, another for longer ones. One text keeps to one set, since what
    // is turned stays in the cache: which one, the longest text that is served decides.
    private static RopeFrequencies LongRope(ModelConfig own, ModelConfig config, RopeFrequencies plain)
    {
        var original = own.Int("original_max_position_embeddings", config.Int("original_max_position_embeddings", 0));
        var stretch = original > 0 ? plain.ContextLength / (double)original : own.Float("factor");
        own.Find("factor");
        original = original > 0 ? original : plain.ContextLength;
        var (longer, shorter) = (own.Floats("long_factor", plain.Frequencies.Length), own.Floats("short_factor", plain.Frequencies.Length));
        var factors = config.Limited(plain.ContextLength) > original ? longer : shorter;
        var growth = stretch <= 1 ? 1 : Math.Sqrt(1 + Math.Log(stretch) / Math.Log(original));
        return plain with { Frequencies = Stretch(plain.Frequencies, i => factors[i]), Magnitude = own.Float("attention_factor", (float)growth) };
    }
}
