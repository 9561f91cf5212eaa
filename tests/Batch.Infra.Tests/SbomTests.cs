using System.Text.Json;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>The list of packages that the image carries: whole, with hashes and licences, and in the form that it claims.</summary>
public sealed class SbomTests
{
    [Fact]
    public async Task Sbom_ListsEveryPackageOfTheLockFile_WithVersionHashAndLicence()
    {
        // Restored to a folder of its own: what lies in obj may be of another flavour.
        var artifacts = Path.Combine(Repository.Folder, "tests", "Batch.Infra.Tests", "obj", "sbom");
        var (code, log) = await Dotnet.RunAsync(["restore", "functions/Batch.Functions.csproj", "--locked-mode", "--artifacts-path", artifacts, "-p:FunctionsHost=Local", "-p:Accelerator=cpu"]);
        Assert.True(code == 0, log);

        var sbom = await Sbom.WriteAsync("functions/Batch.Functions.csproj", artifacts);

        Assert.Equal(Locked(), sbom.Packages.Select(package => $"{package.Name} {package.Version}").Order(StringComparer.OrdinalIgnoreCase), StringComparer.OrdinalIgnoreCase);
        Assert.All(sbom.Packages, package => Assert.Equal($"pkg:nuget/{package.Name}@{package.Version}", package.Purl));
        Assert.All(sbom.Packages, package => Assert.Equal(PublishedHash(package), package.Sha512, ignoreCase: true));
        // It names a file of its own.
        Assert.Equal(["Apache.Arrow"], sbom.Packages.Where(package => package.Licences.Count == 0).Select(package => package.Name));
        await Npx.AssertSucceedsAsync(
            "--package=@cyclonedx/cyclonedx-library@10.3.0", "--package=ajv@8.20.0", "--package=ajv-formats@3.0.1", "--package=ajv-formats-draft2019@1.6.1",
            "node", "tests/Batch.Infra.Tests/validate-sbom.mjs", sbom.File);
    }

    [Fact]
    public void Dockerfile_WritesTheListAsTheTestsDo_AndItsLabelSaysWhereItLies()
    {
        var dockerfile = Repository.Read("Dockerfile");

        Assert.Contains($"dotnet CycloneDX \"$1\" {Sbom.Arguments}", dockerfile, StringComparison.Ordinal);
        Assert.Contains("COPY --from=sbom /sbom/ /opt/sbom/", dockerfile, StringComparison.Ordinal);
        Assert.Contains("batch.sbom=\"/opt/sbom/batch-worker.cdx.json /opt/sbom/batch-worker-extensions.cdx.json\"", dockerfile, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Locked() => JsonElement.Parse(Repository.Read("functions", "packages.lock.json")).GetProperty("dependencies").EnumerateObject()
        .SelectMany(framework => framework.Value.EnumerateObject())
        .Where(package => package.Value.GetProperty("type").GetString() != "Project")
        .Select(package => $"{package.Name} {package.Value.GetProperty("resolved").GetString()}")
        .Order(StringComparer.OrdinalIgnoreCase);

    // As the feed gave it beside the package.
    private static string PublishedHash(SbomPackage package)
    {
        var (name, version) = (package.Name.ToLowerInvariant(), package.Version.ToLowerInvariant());
        var root = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        return Convert.ToHexString(Convert.FromBase64String(File.ReadAllText(Path.Combine(root, name, version, $"{name}.{version}.nupkg.sha512"))));
    }
}
