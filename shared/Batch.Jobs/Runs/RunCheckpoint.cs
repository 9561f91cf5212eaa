using System.Security.Cryptography;
using System.Text.Json;
using Batch.Inference.Engine;
using Batch.Jobs.Receipts;

namespace Batch.Jobs.Runs;

/// <summary>A run as far as it is: what is shown of it meanwhile, and from where its texts go on.</summary>
/// <param name="Identity">Of what was asked of which model: a run goes on only from a checkpoint of its own identity.</param>
/// <param name="Text">The first choice's text so far.</param>
/// <param name="CompletionTokens">Of all choices.</param>
/// <param name="Choices">Where each stands.</param>
public sealed record RunCheckpoint(string Identity, string Text, int CompletionTokens, IReadOnlyList<GenerationCheckpoint> Choices)
{
    /// <summary>Of a run that has nothing to go on from.</summary>
    public static RunCheckpoint None { get; } = new("", "", 0, []);

    /// <summary>Tokens drawn for it, those taken back included.</summary>
    public int Draws => Choices.Sum(choice => choice.Drawn.Count);

    /// <summary>
    /// The hash of all that a text depends on: weights, configuration, tokenizer, kernels and versions, dtype, kind of device, context length, parameters and
    /// prompt. The number of threads changes no bit, and the same model may lie elsewhere.
    /// </summary>
    public static string IdentityOf(ModelInfo model, GenerationRequest request)
    {
        var all = new
        {
            model.Identity,
            model.Provenance.Config,
            model.Provenance.Tokenizer,
            model.Provenance.Libraries,
            Kernels = model.Provenance.Kernels.Where(kernel => kernel.Key != "threads").OrderBy(kernel => kernel.Key, StringComparer.Ordinal),
            model.DType,
            Device = model.Device.Split(':', ',')[0],
            model.ContextLength,
            request.Sampling,
            Prompt = Receipt.HashOf(request.PromptTokenIds),
        };
        return Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(all, JobJson.Options)));
    }
}
