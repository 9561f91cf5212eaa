using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Batch.Inference.Tokenizers;

namespace Batch.Jobs.Requests;

/// <summary>
/// One field of a submission as the type it must have; otherwise the message names the field, what it was and what it must be.
/// </summary>
internal static partial class JsonField
{
    private const int MetadataBytes = 30_000;

    private static readonly string[] Roles = ["system", "user", "assistant"];

    public static string Text(JsonProperty field, int maxCharacters)
    {
        var text = field.Value.ValueKind == JsonValueKind.String ? field.Value.GetString()! : throw Wrong(field, "a string");
        return text.Length <= maxCharacters ? text : throw Wrong(field, $"at most {maxCharacters} characters", $"{text.Length} characters");
    }

    /// <summary>A name that is safe in a table key, a blob name and an address.</summary>
    public static string Name(JsonProperty field)
    {
        var name = Text(field, 128);
        return IsName(name)
            ? name
            : throw Wrong(field, "1 to 128 letters, digits, '.', '_' or '-', the first a letter or digit", Quote(name));
    }

    public static bool IsName(string text) => NamePattern().IsMatch(text);

    public static int Integer(JsonProperty field) =>
        field.Value.ValueKind == JsonValueKind.Number && field.Value.TryGetInt32(out var n) ? n : throw Wrong(field, "a 32-bit integer");

    public static ulong Seed(JsonProperty field) =>
        field.Value.ValueKind == JsonValueKind.Number && field.Value.TryGetUInt64(out var n)
            ? n
            : throw Wrong(field, "an integer from 0 to 2^64 - 1");

    public static float Number(JsonProperty field) =>
        field.Value.ValueKind == JsonValueKind.Number && field.Value.TryGetSingle(out var x) ? x : throw Wrong(field, "a number");

    public static bool Boolean(JsonProperty field) =>
        field.Value.ValueKind is JsonValueKind.True or JsonValueKind.False ? field.Value.GetBoolean() : throw Wrong(field, "true or false");

    public static IReadOnlyList<string> Strings(JsonProperty field) => field.Value.ValueKind switch
    {
        JsonValueKind.String => [field.Value.GetString()!],
        JsonValueKind.Array when field.Value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String) =>
            [.. field.Value.EnumerateArray().Select(item => item.GetString()!)],
        _ => throw Wrong(field, "a string or an array of strings"),
    };

    public static IReadOnlyList<int> TokenIds(JsonProperty field) =>
        field.Value.ValueKind == JsonValueKind.Array
        && field.Value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out var id) && id >= 0)
            ? [.. field.Value.EnumerateArray().Select(item => item.GetInt32())]
            : throw Wrong(field, "an array of token ids");

    /// <summary>Unix seconds, or ISO 8601 with an offset.</summary>
    public static DateTimeOffset Time(JsonProperty field)
    {
        const long LastSecond = 253402300799;
        if (field.Value.ValueKind == JsonValueKind.Number && field.Value.TryGetInt64(out var seconds) && seconds is >= 0 and <= LastSecond)
        {
            return DateTimeOffset.FromUnixTimeSeconds(seconds);
        }

        var text = field.Value.ValueKind == JsonValueKind.String ? field.Value.GetString()! : "";
        return OffsetPattern().IsMatch(text)
            && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.None, out var time)
            ? time.ToUniversalTime()
            : throw Wrong(field, "Unix seconds or an ISO 8601 time with an offset, such as 2026-01-31T08:00:00Z");
    }

    /// <summary>A W3C trace context.</summary>
    public static string Traceparent(JsonProperty field)
    {
        var text = Text(field, 128);
        return ActivityContext.TryParse(text, traceState: null, out _) ? text : throw Wrong(field, "a W3C trace context, 00-<trace>-<span>-<flags>", "another text");
    }

    public static string WebAddress(JsonProperty field)
    {
        var text = Text(field, 2048);
        return Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "https" or "http" && uri.UserInfo.Length == 0 && HasHost(uri)
            ? uri.AbsoluteUri
            : throw Wrong(field, "an absolute https address without a user name", "another text");
    }

    // Uri takes names that no resolver can be asked for.
    private static bool HasHost(Uri uri)
    {
        try
        {
            return uri.IdnHost.Length > 0;
        }
        catch (UriFormatException)
        {
            return false;
        }
    }

    public static IReadOnlyDictionary<string, string> Metadata(JsonProperty field)
    {
        if (field.Value.ValueKind != JsonValueKind.Object)
        {
            throw Wrong(field, "an object of strings");
        }

        var pairs = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var pair in field.Value.EnumerateObject())
        {
            if (pair.Value.ValueKind != JsonValueKind.String || pair.Name.Length > 64 || pair.Value.GetString()!.Length > 512)
            {
                throw Wrong(field, "strings of at most 512 characters under keys of at most 64", $"another under {Quote(pair.Name)}");
            }

            pairs[pair.Name] = pair.Value.GetString()!;
        }

        if (pairs.Count > 16)
        {
            throw Wrong(field, "at most 16 pairs", $"{pairs.Count}");
        }

        // It travels in table properties and in events, which both end near 32 Ki; only text of many escapes comes near.
        var bytes = JsonSerializer.SerializeToUtf8Bytes(pairs, JobJson.Options).Length;
        return bytes <= MetadataBytes ? pairs : throw Wrong(field, $"at most {MetadataBytes} bytes as JSON", $"{bytes}");
    }

    public static IReadOnlyList<ChatMessage> Messages(JsonProperty field)
    {
        if (field.Value.ValueKind != JsonValueKind.Array || field.Value.GetArrayLength() == 0)
        {
            throw Wrong(field, "a non-empty array of {role, content}");
        }

        return [.. field.Value.EnumerateArray().Select((item, index) => Message(field, item, index))];
    }

    /// <summary>The fields of an object that are not null.</summary>
    public static IEnumerable<JsonProperty> Fields(JsonElement root) => root.ValueKind == JsonValueKind.Object
        ? root.EnumerateObject().Where(field => field.Value.ValueKind != JsonValueKind.Null)
        : throw new InvalidJobException(JobErrorCode.InvalidRequest, $"the body must be a JSON object, was {Describe(root)}");

    public static InvalidJobException Unknown(JsonProperty field) => new(
        JobErrorCode.InvalidRequest, $"unknown field {Quote(field.Name)}; check its spelling or leave it out", Clip(field.Name));

    public static InvalidJobException Wrong(JsonProperty field, string wanted, string? seen = null) =>
        new(JobErrorCode.InvalidRequest, $"{field.Name} must be {wanted}, was {seen ?? Describe(field.Value)}", field.Name);

    public static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => $"the number {Clip(value.GetRawText())}",
        JsonValueKind.String => "a string",
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        JsonValueKind.Array => value.GetArrayLength() == 0 ? "an empty array" : "an array",
        JsonValueKind.Object => "an object",
        _ => "null",
    };

    public static string Clip(string text) => text.Length <= 64 ? text : text[..64];

    /// <summary>The first characters of a name that a caller chose, with control characters escaped.</summary>
    public static string Quote(string text) => JsonSerializer.Serialize(Clip(text), JobJson.Options);

    private static ChatMessage Message(JsonProperty field, JsonElement item, int index)
    {
        var wanted = $"[{index}] {{role: {string.Join(" | ", Roles)}, content: a string or text parts}} and nothing else";
        if (item.ValueKind != JsonValueKind.Object
            || item.EnumerateObject().Any(p => p.Name is not ("role" or "content"))
            || !item.TryGetProperty("content", out var content)
            || !item.TryGetProperty("role", out var role) || role.ValueKind != JsonValueKind.String)
        {
            throw Wrong(field, wanted, "another shape");
        }

        return Roles.Contains(role.GetString(), StringComparer.Ordinal)
            ? new ChatMessage(role.GetString()!, Content(field, content, index))
            : throw Wrong(field, wanted, $"role {Quote(role.GetString()!)}");
    }

    /// <summary>A text, or the parts of one.</summary>
    private static string Content(JsonProperty field, JsonElement content, int index) => content.ValueKind switch
    {
        JsonValueKind.String => content.GetString()!,
        JsonValueKind.Array when content.GetArrayLength() > 0 =>
            string.Concat(content.EnumerateArray().Select((part, at) => PartText(field, part, $"[{index}].content[{at}]"))),
        _ => throw Wrong(field, $"[{index}] with content that is a string or a non-empty array of text parts", Describe(content)),
    };

    private static string PartText(JsonProperty field, JsonElement part, string place)
    {
        var type = part.ValueKind == JsonValueKind.Object && part.TryGetProperty("type", out var t) && t.ValueKind == JsonValueKind.String ? t.GetString()! : "text";
        if (type != "text")
        {
            throw new InvalidJobException(
                JobErrorCode.UnsupportedParameter, $"{field.Name}{place}: parts of type {Quote(type)} are not supported; send text parts", field.Name);
        }

        return part.ValueKind == JsonValueKind.Object
            && part.EnumerateObject().All(p => p.Name is "type" or "text" && p.Value.ValueKind == JsonValueKind.String)
            && part.TryGetProperty("type", out _) && part.TryGetProperty("text", out var text)
                ? text.GetString()!
                : throw Wrong(field, $"{place} {{type: text, text: a string}} and nothing else", "another shape");
    }

    [GeneratedRegex("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\\z", RegexOptions.CultureInvariant)]
    private static partial Regex NamePattern();

    [GeneratedRegex("T.*(Z|[+-][0-9]{2}:?[0-9]{2})\\z", RegexOptions.CultureInvariant)]
    private static partial Regex OffsetPattern();
}
