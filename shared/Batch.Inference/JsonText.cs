using System.Text.Json;
using System.Text.Unicode;

namespace Batch.Inference;

/// <summary>
/// Reads JSON whose names and strings are Unicode text. System.Text.Json looks at a string only when it is asked for, and throws
/// <see cref="InvalidOperationException"/> then, wherever that is.
/// </summary>
public static class JsonText
{
    /// <exception cref="NotUnicodeException">A name or string is not UTF-8, or holds half a surrogate pair.</exception>
    /// <exception cref="JsonException">It is not JSON.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> json, JsonDocumentOptions options = default)
    {
        try
        {
            var document = JsonDocument.Parse(json, options);
            return Utf8.IsValid(json.Span) && HasWholeCharacters(json.Span, options.MaxDepth) ? document : throw new NotUnicodeException();
        }
        catch (InvalidOperationException e)
        {
            // Thrown where names are compared to find one that comes twice.
            throw new NotUnicodeException(e);
        }
    }

    private static bool HasWholeCharacters(ReadOnlySpan<byte> json, int depth)
    {
        if (json.IndexOf("\\u"u8) < 0)
        {
            return true;
        }

        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = depth });
        while (reader.Read())
        {
            _ = reader.ValueIsEscaped ? reader.GetString() : null;
        }

        return true;
    }
}

/// <summary>JSON in shape, but not text.</summary>
public sealed class NotUnicodeException(Exception? inner = null) : JsonException("a name or string is not Unicode: it is not UTF-8, or holds half a surrogate pair", inner);
