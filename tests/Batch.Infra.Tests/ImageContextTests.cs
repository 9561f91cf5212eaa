using System.Text.RegularExpressions;
using Xunit;

namespace Batch.Infra.Tests;

/// <summary>What the image's build reads is what .dockerignore lets in. build/check-image.sh builds the stages themselves.</summary>
public sealed class ImageContextTests
{
    private static readonly string[] Admitted = [.. Regex.Matches(Repository.Read(".dockerignore"), @"(?m)^!(\S+)$").Select(match => match.Groups[1].Value)];

    [Fact]
    public void Projects_OfTheImage_NameNoFileThatIsLeftOut()
    {
        string[] projects = ["functions/Batch.Functions.csproj", .. Directory.GetFiles(Path.Combine(Repository.Folder, "shared"), "*.csproj", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(Repository.Folder, file))];

        foreach (var project in projects)
        {
            var items = Regex.Matches(Repository.Read(project), @"<(?<item>\w+)[^>]* Include=""(?<path>\.\./[^""]+)""[^>]*>");
            // One that need not be there says so itself.
            var named = items.Where(item => !item.Value.Contains("Exists(", StringComparison.Ordinal))
                .Select(item => Path.GetRelativePath(Repository.Folder, Path.GetFullPath(Path.Combine(Repository.Folder, Path.GetDirectoryName(project)!, item.Groups["path"].Value))));
            Assert.All(named, path => Assert.Contains(path.Split('/', '\\')[0], Admitted));
        }
    }

    [Fact]
    public void Dockerfile_CopiesFromTheContextOnlyWhatIsLetIn()
    {
        var copied = Regex.Matches(Repository.Read("Dockerfile"), @"(?m)^COPY (?!--from)(?:--\S+ )*(\S+) ").Select(match => match.Groups[1].Value).Where(path => path != ".").ToList();

        Assert.NotEmpty(copied);
        Assert.All(copied, path =>
        {
            Assert.Contains(path.Split('/')[0], Admitted);
            Assert.True(Path.Exists(Path.Combine(Repository.Folder, path)), $"{path} is missing");
        });
    }

    [Fact]
    public void Admitted_AreFilesThatExist() => Assert.All(Admitted, path => Assert.True(Path.Exists(Path.Combine(Repository.Folder, path)), $"{path} is missing"));
}
