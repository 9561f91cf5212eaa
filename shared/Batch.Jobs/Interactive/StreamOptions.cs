using System.Text.Json;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Interactive;

/// <summary>A body's <c>stream</c> and <c>stream_options</c>.</summary>
internal readonly record struct StreamOptions(bool IsOn, bool IncludesUsage)
{
    public static StreamOptions Read(JsonElement body)
    {
        var (isOn, includesUsage, hasOptions) = (false, false, false);
        foreach (var field in JsonField.Fields(body).Where(field => field.Value.ValueKind != JsonValueKind.Null))
        {
            switch (field.Name)
            {
                case "stream":
                    isOn = JsonField.Boolean(field);
                    break;
                case "stream_options":
                    (hasOptions, includesUsage) = (true, ReadUsage(field));
                    break;
            }
        }

        return isOn || !hasOptions
            ? new StreamOptions(isOn, includesUsage)
            : throw new InvalidJobException(JobErrorCode.InvalidRequest, "stream_options must be left out unless stream is true", "stream_options");
    }

    /// <summary>Refuses what cannot be told piece by piece.</summary>
    public void Check(JobParameters parameters)
    {
        if (IsOn && parameters.Interventions is not null)
        {
            throw new InvalidJobException(
                JobErrorCode.UnsupportedParameter, "interventions cannot be streamed, since they may take text back; send stream: false", "interventions");
        }

        if (IsOn && parameters is { Echo: true, Logprobs: not null })
        {
            throw new InvalidJobException(JobErrorCode.UnsupportedParameter, "echo beside logprobs cannot be streamed; leave one of them out", "echo");
        }
    }

    private static bool ReadUsage(JsonProperty options)
    {
        var includesUsage = false;
        if (options.Value.ValueKind != JsonValueKind.Object)
        {
            throw JsonField.Wrong(options, "an object {include_usage}");
        }

        foreach (var field in JsonField.Fields(options.Value))
        {
            // No chunk is padded, whatever include_obfuscation says.
            var given = field.Name is "include_usage" or "include_obfuscation" ? JsonField.Boolean(field) : throw JsonField.Unknown(field);
            includesUsage |= given && field.Name == "include_usage";
        }

        return includesUsage;
    }
}
