using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;

namespace Batch.LocalHost.Hosting;

/// <summary>Fills in the settings that an attribute names between per cent signs.</summary>
internal static partial class SettingName
{
    public static string Resolve(string text, IConfiguration configuration) =>
        Placeholder().Replace(text, match =>
        {
            var name = match.Groups[1].Value;
            return configuration[name] ?? throw new InvalidOperationException($"'{text}' needs the setting '{name}', which is not set.");
        });

    [GeneratedRegex("%([^%]+)%")]
    private static partial Regex Placeholder();
}
