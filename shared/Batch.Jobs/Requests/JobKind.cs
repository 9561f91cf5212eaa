using System.Text.Json;

namespace Batch.Jobs.Requests;

/// <summary>What a job asks of the model.</summary>
public static class JobKind
{
    /// <summary>Writes on from a prompt; what a job without a kind is.</summary>
    public const string Generate = "generate";

    /// <summary>Ranks what may stand in the blanks of a prompt.</summary>
    public const string FillMask = "fill-mask";

    private const int MostTargets = 1000;

    // Everything else says how a text is written.
    private static readonly HashSet<string> FillMaskFields = new(StringComparer.Ordinal)
    {
        "id", "tenant", "model", "kind", "prompt", "input_blob", "top_k", "targets", "webhook_url", "metadata", "priority", "not_before", "deadline",
    };

    /// <summary>Null for the kind that every job has been, so that a stored request reads the same with and without it.</summary>
    internal static string? Read(JsonProperty field) => JsonField.Text(field, int.MaxValue) switch
    {
        Generate => null,
        FillMask => FillMask,
        var other => throw JsonField.Wrong(field, $"'{Generate}' or '{FillMask}'", JsonField.Quote(other)),
    };

    internal static IReadOnlyList<string> ReadTargets(JsonProperty field)
    {
        var targets = JsonField.Strings(field);
        return targets.Count is > 0 and <= MostTargets && targets.All(target => target.Length > 0)
            ? targets
            : throw JsonField.Wrong(field, $"1 to {MostTargets} words, none empty", $"{targets.Count} words");
    }

    /// <summary>Refuses by name what the kind does not know.</summary>
    internal static void Check(JobRequest request, JsonElement root)
    {
        if (request.Kind is null)
        {
            if (request.Targets is not null)
            {
                throw new InvalidJobException(JobErrorCode.UnsupportedParameter, $"targets must be left out but for kind '{FillMask}'", "targets");
            }
            return;
        }

        foreach (var field in JsonField.Fields(root))
        {
            if (!FillMaskFields.Contains(field.Name))
            {
                throw new InvalidJobException(
                    JobErrorCode.UnsupportedParameter, $"{field.Name} must be left out for kind '{FillMask}': it says how a text is written", field.Name);
            }
        }

        if (request.Parameters.TopK is { } count and < 1)
        {
            throw new InvalidJobException(JobErrorCode.InvalidRequest, $"top_k must be at least 1 for kind '{FillMask}', was {count}", "top_k");
        }
    }
}
