using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Batch.Inference.Engine;
using Batch.Inference.Engine.Interventions;

namespace Batch.Jobs.Receipts;

/// <summary>
/// What a text came from and what came out, so that it can be shown later that it was this model, with these parameters, that wrote it: <c>batch verify</c>
/// replays it. Weights, tokenizer, config, dtype, parameters and prompt fix the tokens; libraries, device and kernels say where that was.
/// </summary>
/// <param name="Weights">XXH128 of the weights' files.</param>
/// <param name="Tokenizer">SHA-256 of each tokenizer file.</param>
/// <param name="Config">SHA-256 of config.json and generation_config.json.</param>
/// <param name="DType">What was computed in.</param>
/// <param name="Device">Where.</param>
/// <param name="Kernels">What decides the order of summation there.</param>
/// <param name="Libraries">Versions.</param>
/// <param name="Parameters">Those in effect, defaults and seed included.</param>
/// <param name="PromptTokens">How many ids the prompt has.</param>
/// <param name="PromptTokenIdsSha256">SHA-256 of the prompt's ids as little-endian 32-bit integers.</param>
/// <param name="Completions">Each choice.</param>
public sealed record Receipt(
    string Weights,
    IReadOnlyDictionary<string, string> Tokenizer,
    IReadOnlyDictionary<string, string> Config,
    [property: JsonPropertyName("dtype")] string DType,
    string Device,
    IReadOnlyDictionary<string, string> Kernels,
    IReadOnlyDictionary<string, string> Libraries,
    SamplingParams Parameters,
    int PromptTokens,
    string PromptTokenIdsSha256,
    IReadOnlyList<CompletionReceipt> Completions)
{
    public static Receipt Of(ModelInfo model, SamplingParams parameters, IReadOnlyList<int> promptTokenIds, IReadOnlyList<CompletionReceipt> completions) => new(
        model.Identity, model.Provenance.Tokenizer, model.Provenance.Config, model.DType, model.Device, model.Provenance.Kernels, model.Provenance.Libraries,
        parameters, promptTokenIds.Count, HashOf(promptTokenIds), completions);

    /// <summary>SHA-256 of ids as little-endian 32-bit integers.</summary>
    public static string HashOf(IReadOnlyList<int> ids)
    {
        var bytes = new byte[ids.Count * sizeof(int)];
        for (var i = 0; i < ids.Count; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(i * sizeof(int)), ids[i]);
        }
        return Convert.ToHexStringLower(SHA256.HashData(bytes));
    }
}

/// <summary>
/// One choice: the seed of its noise (a string, since not every reader of JSON keeps 64 bits) and its tokens, the one that ended it included; where the job
/// has rules, SHA-256 of the trail of what they did, as the result holds it in JSON.
/// </summary>
/// <param name="Seed">Of its noise.</param>
/// <param name="TokenIdsSha256">SHA-256 of the ids as little-endian 32-bit integers.</param>
/// <param name="TokenIds">Its tokens, the one that ended it included.</param>
/// <param name="InterventionsSha256">SHA-256 of what rules did, where the job has rules.</param>
public sealed record CompletionReceipt(string Seed, string TokenIdsSha256, IReadOnlyList<int> TokenIds, string? InterventionsSha256 = null)
{
    public static CompletionReceipt Of(ulong seed, IReadOnlyList<int> tokenIds, IReadOnlyList<InterventionRecord>? interventions = null) =>
        new(seed.ToString(CultureInfo.InvariantCulture), Receipt.HashOf(tokenIds), tokenIds, HashOf(interventions));

    internal static string? HashOf(IReadOnlyList<InterventionRecord>? trail) =>
        trail is null ? null : Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(trail, JobJson.Options)));
}
