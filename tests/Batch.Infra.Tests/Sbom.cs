using System.Text.Json;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>A list of a restored project's packages, as the image's build writes it.</summary>
internal sealed record Sbom(string File, IReadOnlyList<SbomPackage> Packages)
{
    /// <summary>What the Dockerfile calls the tool with, too.</summary>
    public const string Arguments = "--disable-package-restore --spec-version 1.6 --output-format Json";

    /// <param name="artifacts">Where the project was restored to.</param>
    public static async Task<Sbom> WriteAsync(string project, string artifacts)
    {
        var name = $"{Path.GetFileNameWithoutExtension(project)}.cdx.json";
        await AssertSucceedsAsync("tool", "restore");
        await AssertSucceedsAsync(["CycloneDX", project, .. Arguments.Split(' '), "--base-intermediate-output-path", artifacts, "--output", artifacts, "--filename", name]);
        var file = Path.Combine(artifacts, name);
        var components = JsonElement.Parse(await System.IO.File.ReadAllTextAsync(file, TestContext.Current.CancellationToken)).GetProperty("components");
        return new Sbom(file, [.. components.EnumerateArray().Select(SbomPackage.Read)]);
    }

    private static async Task AssertSucceedsAsync(params string[] arguments)
    {
        var (code, log) = await Dotnet.RunAsync(arguments);
        Assert.True(code == 0, $"dotnet {string.Join(' ', arguments)} left with {code}:\n{log}");
    }
}

/// <param name="Sha512">In hexadecimal digits.</param>
/// <param name="Licences">Identifiers, expressions, names or addresses; none where the package says none in its description.</param>
internal sealed record SbomPackage(string Name, string Version, string Purl, string Sha512, IReadOnlyList<string> Licences)
{
    public static SbomPackage Read(JsonElement component) => new(
        component.GetProperty("name").GetString()!,
        component.GetProperty("version").GetString()!,
        component.GetProperty("purl").GetString()!,
        component.GetProperty("hashes").EnumerateArray().Single(hash => hash.GetProperty("alg").GetString() == "SHA-512").GetProperty("content").GetString()!,
        component.TryGetProperty("licenses", out var licences) ? [.. licences.EnumerateArray().Select(Licence)] : []);

    private static string Licence(JsonElement choice) =>
        choice.TryGetProperty("expression", out var expression) ? expression.GetString()!
        : choice.GetProperty("license").EnumerateObject().First(field => field.Name is "id" or "name" or "url").Value.GetString()!;
}
