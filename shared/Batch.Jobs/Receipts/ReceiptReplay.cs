using System.Globalization;
using System.Text;
using Batch.Inference.Engine;

namespace Batch.Jobs.Receipts;

/// <summary>What a replay found. Equal when <paramref name="Difference"/> is null.</summary>
/// <param name="Difference">The first thing that differs, with what the receipt says and what is so here.</param>
/// <param name="Notes">What differs, too, but need not change a text: library versions, device, kernels.</param>
/// <param name="Tokens">Tokens compared, over all choices.</param>
public sealed record ReplayReport(string? Difference, IReadOnlyList<string> Notes, int Tokens);

/// <summary>Generates a recorded result again and compares.</summary>
public static class ReceiptReplay
{
    public static async Task<ReplayReport> RunAsync(RecordedResult recorded, LlmEngine engine, CancellationToken cancellationToken)
    {
        var receipt = recorded.Receipt;
        var prompt = JobGenerator.Encode(recorded.Input, engine);
        var here = Receipt.Of(engine.Model, receipt.Parameters, prompt, []);
        var notes = Notes(receipt, here);
        if (Cause(receipt, here) is { } cause)
        {
            return new ReplayReport(cause, notes, 0);
        }

        IReadOnlyList<GenerationUpdate> beams = receipt.Parameters.NumBeams == 1
            ? []
            : await engine.SearchAsync(new GenerationRequest(recorded.Id, prompt, receipt.Parameters), null, cancellationToken);
        var tokens = 0;
        for (var i = 0; i < receipt.Completions.Count; i++)
        {
            var completion = receipt.Completions[i];
            if (completion.TokenIdsSha256 != Receipt.HashOf(completion.TokenIds))
            {
                return new ReplayReport($"{Choice(receipt, i)}token_ids are not those of token_ids_sha256: the receipt was changed", notes, tokens);
            }

            var request = new GenerationRequest(
                recorded.Id, prompt, receipt.Parameters with { Seed = ulong.Parse(completion.Seed, CultureInfo.InvariantCulture) });
            var (ids, text, trail) = receipt.Parameters.NumBeams == 1 ? await RunAsync(engine, request, cancellationToken)
                : i < beams.Count ? (beams[i].TokenIds!, beams[i].Text, null) : ([], "", null);
            tokens += completion.TokenIds.Count;
            if (FirstDifference(completion.TokenIds, ids, recorded.IsCutShort) is { } difference)
            {
                return new ReplayReport(Choice(receipt, i) + Describe(engine, difference, completion.TokenIds, ids), notes, tokens);
            }

            if (!recorded.IsCutShort && completion.InterventionsSha256 != trail)
            {
                return new ReplayReport($"{Choice(receipt, i)}interventions differ though the tokens are the same", notes, tokens);
            }

            if (i == 0 && !recorded.IsCutShort && !recorded.Text.EndsWith(text, StringComparison.Ordinal))
            {
                return new ReplayReport("text differs though its tokens are the same: the result was changed", notes, tokens);
            }
        }

        return new ReplayReport(null, notes, tokens);
    }

    private static string Choice(Receipt receipt, int index) => receipt.Completions.Count == 1 ? "" : $"choice {index}: ";

    private static async Task<(IReadOnlyList<int> Ids, string Text, string? Trail)> RunAsync(LlmEngine engine, GenerationRequest request, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        await foreach (var update in engine.GenerateAsync(request, cancellationToken))
        {
            update.ApplyTo(text);
            if (update.FinishReason is not null)
            {
                cancellationToken.ThrowIfCancellationRequested();
                return (update.TokenIds!, text.ToString(), CompletionReceipt.HashOf(update.Interventions));
            }
        }

        throw new InvalidOperationException("the engine ended the text without a last update");
    }

    // What fixes the tokens: with another of these a replay says nothing.
    private static string? Cause(Receipt receipt, Receipt here) => receipt switch
    {
        _ when receipt.Weights != here.Weights => $"weights differ: {receipt.Weights} in the receipt, {here.Weights} here",
        _ when FirstDifference(receipt.Tokenizer, here.Tokenizer) is { } file => $"tokenizer differs: {file}",
        _ when FirstDifference(receipt.Config, here.Config) is { } file => $"config differs: {file}",
        _ when receipt.DType != here.DType => $"dtype differs: {receipt.DType} in the receipt, {here.DType} here",
        _ when receipt.PromptTokenIdsSha256 != here.PromptTokenIdsSha256 =>
            $"prompt differs: its {here.PromptTokens} tokens are not the {receipt.PromptTokens} of the receipt",
        _ => null,
    };

    private static List<string> Notes(Receipt receipt, Receipt here)
    {
        var notes = new List<string>();
        if (receipt.Device != here.Device)
        {
            notes.Add($"device: {receipt.Device} in the receipt, {here.Device} here");
        }

        if (FirstDifference(receipt.Kernels, here.Kernels) is { } kernel)
        {
            notes.Add($"kernels: {kernel}");
        }

        if (FirstDifference(receipt.Libraries, here.Libraries) is { } library)
        {
            notes.Add($"libraries: {library}");
        }

        return notes;
    }

    private static string? FirstDifference(IReadOnlyDictionary<string, string> recorded, IReadOnlyDictionary<string, string> here)
    {
        var name = recorded.Keys.Union(here.Keys, StringComparer.Ordinal).Order(StringComparer.Ordinal)
            .FirstOrDefault(key => recorded.GetValueOrDefault(key) != here.GetValueOrDefault(key));
        return name is null
            ? null
            : $"{name} is {recorded.GetValueOrDefault(name) ?? "absent"} in the receipt, {here.GetValueOrDefault(name) ?? "absent"} here";
    }

    private static int? FirstDifference(IReadOnlyList<int> recorded, IReadOnlyList<int> here, bool cutShort)
    {
        var common = Math.Min(recorded.Count, here.Count);
        for (var k = 0; k < common; k++)
        {
            if (recorded[k] != here[k])
            {
                return k;
            }
        }

        // A text that was stopped from outside is the beginning of the one that would have been.
        return recorded.Count == here.Count || (cutShort && recorded.Count < here.Count) ? null : common;
    }

    private static string Describe(LlmEngine engine, int k, IReadOnlyList<int> recorded, IReadOnlyList<int> here) =>
        $"text differs at token {k}: {Token(engine, recorded, k)} in the receipt, {Token(engine, here, k)} here";

    private static string Token(LlmEngine engine, IReadOnlyList<int> ids, int k) => k >= ids.Count
        ? $"no token after {ids.Count}"
        : ids[k] >= 0 && ids[k] < engine.Tokenizer.VocabularySize
            ? $"{ids[k]} {Requests.JsonField.Quote(engine.Tokenizer.Decode([ids[k]], skipSpecialTokens: false))}"
            : $"{ids[k]}";
}
