using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;

namespace Batch.Cli;

internal static class Output
{
    /// <summary>One line, Chinese readable as it is.</summary>
    public static JsonSerializerOptions Json { get; } = new() { Encoder = JavaScriptEncoder.Create(UnicodeRanges.All) };
}
