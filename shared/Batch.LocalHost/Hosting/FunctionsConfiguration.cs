using Microsoft.Extensions.Configuration;

namespace Batch.LocalHost.Hosting;

/// <summary>
/// The configuration of a functions application, as the real host and its local tools lay it out. Later sources win:
/// host.json, the Values of local.settings.json beside it, environment variables, the command line.
/// </summary>
internal static class FunctionsConfiguration
{
    /// <summary>The section that host.json becomes, so that a setting such as AzureFunctionsJobHost__extensions__queues__batchSize overrides it.</summary>
    public const string HostJson = "AzureFunctionsJobHost";

    public static void AddSources(ConfigurationManager configuration, string[] args)
    {
        var root = ScriptRoot(new ConfigurationBuilder().AddEnvironmentVariables().AddCommandLine(args).Build());
        configuration.AddInMemoryCollection(ReadHostJson(Path.Combine(root, "host.json")));
        configuration.AddInMemoryCollection(ReadLocalSettings(Path.Combine(root, "local.settings.json")));
        configuration.AddEnvironmentVariables();
        configuration.AddCommandLine(args);
    }

    /// <summary>The folder of host.json: AzureWebJobsScriptRoot, or else the folder of the running assemblies.</summary>
    public static string ScriptRoot(IConfiguration configuration) =>
        Path.GetFullPath(configuration["AzureWebJobsScriptRoot"] ?? AppContext.BaseDirectory);

    public static string EnvironmentName(IConfiguration configuration) =>
        configuration["AZURE_FUNCTIONS_ENVIRONMENT"] ?? configuration["DOTNET_ENVIRONMENT"] ?? "Production";

    private static IEnumerable<KeyValuePair<string, string?>> ReadHostJson(string file) =>
        ReadJson(file).AsEnumerable().Select(setting => KeyValuePair.Create($"{HostJson}:{setting.Key}", setting.Value));

    /// <summary>Values become what environment variables would: a double underscore separates sections.</summary>
    private static IEnumerable<KeyValuePair<string, string?>> ReadLocalSettings(string file)
    {
        var settings = ReadJson(file);
        if (settings.GetValue("IsEncrypted", false))
        {
            throw new InvalidOperationException($"{file} is encrypted; decrypt it with 'func settings decrypt'.");
        }

        return settings.GetSection("Values").AsEnumerable(makePathsRelative: true)
            .Select(setting => KeyValuePair.Create(setting.Key.Replace("__", ":", StringComparison.Ordinal), setting.Value));
    }

    private static IConfigurationRoot ReadJson(string file) => new ConfigurationBuilder().AddJsonFile(file, optional: true).Build();
}
