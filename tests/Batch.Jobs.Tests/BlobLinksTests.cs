using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage.Blobs;
using Azure.Storage.Sas;
using Batch.Jobs.Storage;
using Batch.LocalHost.Emulator;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Tests;

/// <summary>Links to blobs, read as a stranger would: with the address alone.</summary>
public sealed class BlobLinksTests(StorageEmulator storage)
{
    private static readonly HttpClientHandler Trusting = new() { ServerCertificateCustomValidationCallback = static (_, _, _, _) => true };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Link_IsReadByWhoeverHasIt_WithAConnectionString()
    {
        var clients = new StorageClients(null!, new BlobServiceClient(storage.ConnectionString), null!);
        var container = clients.Blobs.GetBlobContainerClient("linked");
        await container.CreateIfNotExistsAsync(cancellationToken: Cancellation);
        await container.GetBlobClient("acme/一.json").UploadAsync(BinaryData.FromString("mine"), overwrite: true, Cancellation);
        await container.GetBlobClient("other").UploadAsync(BinaryData.FromString("not for you"), overwrite: true, Cancellation);
        using var links = new BlobLinks(clients, Options.Create(new JobsOptions()), TimeProvider.System);
        using var expired = new BlobLinks(clients, Options.Create(new JobsOptions { LinkMinutes = 1 }), new Yesterday());
        using var http = new HttpClient(Trusting, disposeHandler: false);

        var link = await links.ToAsync(container.GetBlobClient("acme/一.json"), Cancellation);
        var late = await expired.ToAsync(container.GetBlobClient("acme/一.json"), Cancellation);
        var elsewhere = new UriBuilder(container.GetBlobClient("other").Uri) { Query = link.Query }.Uri;
        using var deleted = await http.DeleteAsync(link, Cancellation);
        using var other = await http.GetAsync(elsewhere, Cancellation);
        using var afterwards = await http.GetAsync(late, Cancellation);

        Assert.Equal("mine", await http.GetStringAsync(link, Cancellation));
        Assert.All([deleted, other, afterwards], response => Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode));
    }

    [Fact]
    public async Task Link_IsReadByWhoeverHasIt_WithAnIdentity_ByItsUserDelegation()
    {
        var folder = Directory.CreateTempSubdirectory("batch-tls").FullName;
        try
        {
            var (certificate, key) = SelfSigned(folder);
            await using var azurite = await Azurite.StartSecureAsync(certificate, key, Cancellation);
            var endpoint = azurite.ConnectionString.Split(';').Single(part => part.StartsWith("BlobEndpoint=", StringComparison.Ordinal))["BlobEndpoint=".Length..];
            using var http = new HttpClient(Trusting, disposeHandler: false);
            var blobs = new BlobServiceClient(new Uri(endpoint), new MadeUpIdentity(), new BlobClientOptions { Transport = new HttpClientTransport(http) });
            using var links = new BlobLinks(new StorageClients(null!, blobs, null!), Options.Create(new JobsOptions()), TimeProvider.System);
            using var expired = new BlobLinks(new StorageClients(null!, blobs, null!), Options.Create(new JobsOptions { LinkMinutes = 1 }), new Yesterday());
            var container = blobs.GetBlobContainerClient("linked");
            await container.CreateAsync(cancellationToken: Cancellation);
            await container.GetBlobClient("acme/一.json").UploadAsync(BinaryData.FromString("mine"), Cancellation);
            await container.GetBlobClient("other").UploadAsync(BinaryData.FromString("not for you"), Cancellation);

            var address = await links.ToAsync(container.GetBlobClient("acme/一.json"), Cancellation);
            using var deleted = await http.DeleteAsync(address, Cancellation);
            using var elsewhere = await http.GetAsync(new UriBuilder(container.GetBlobClient("other").Uri) { Query = address.Query }.Uri, Cancellation);
            using var late = await http.GetAsync(await expired.ToAsync(container.GetBlobClient("acme/一.json"), Cancellation), Cancellation);
            Assert.Equal("mine", await http.GetStringAsync(address, Cancellation));
            Assert.All([deleted, elsewhere, late], response => Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode));

            var (link, other) = (new BlobUriBuilder(address), new BlobUriBuilder(await links.ToAsync(container.GetBlobClient("other"), Cancellation)));

            Assert.Equal(("r", "b", "linked", "acme/一.json"), (link.Sas.Permissions, link.Sas.Resource, link.BlobContainerName, link.BlobName));
            Assert.InRange(link.Sas.ExpiresOn - TimeProvider.System.GetUtcNow(), TimeSpan.FromMinutes(50), TimeSpan.FromMinutes(60));
            var (first, second) = ((BlobSasQueryParameters)link.Sas, (BlobSasQueryParameters)other.Sas);
            Assert.NotEmpty(first.KeyObjectId);
            Assert.Equal((first.KeyObjectId, first.KeyExpiresOn), (second.KeyObjectId, second.KeyExpiresOn)); // one key for all
            Assert.NotEqual(first.Signature, second.Signature);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Link_IsThePlainAddress_WhenItIsGivenNoTime()
    {
        var clients = new StorageClients(null!, new BlobServiceClient(storage.ConnectionString), null!);
        using var links = new BlobLinks(clients, Options.Create(new JobsOptions { LinkMinutes = 0 }), TimeProvider.System);
        var blob = clients.Blobs.GetBlobContainerClient("linked").GetBlobClient("a");

        Assert.Equal(blob.Uri, await links.ToAsync(blob, Cancellation));
    }

    private static (string Certificate, string Key) SelfSigned(string folder)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        var files = (Path.Combine(folder, "cert.pem"), Path.Combine(folder, "key.pem"));
        File.WriteAllText(files.Item1, certificate.ExportCertificatePem());
        File.WriteAllText(files.Item2, key.ExportPkcs8PrivateKeyPem());
        return files;
    }

    private sealed class Yesterday : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => System.GetUtcNow().AddDays(-1);
    }

    // Azurite looks at a token's times, issuer and audience, and at nothing else.
    private sealed class MadeUpIdentity : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken)
        {
            var now = TimeProvider.System.GetUtcNow();
            var claims = string.Create(
                CultureInfo.InvariantCulture,
                $$"""{"aud":"https://storage.azure.com","iss":"https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/","oid":"23657296-5cd5-45b0-a809-d972a7f4dfe1","tid":"dd0d0df1-06c3-436c-8034-4b9a153097ce","nbf":{{now.AddHours(-2).ToUnixTimeSeconds()}},"iat":{{now.AddHours(-2).ToUnixTimeSeconds()}},"exp":{{now.AddHours(2).ToUnixTimeSeconds()}},"ver":"1.0"}""");
            return new AccessToken($"{Part("""{"alg":"none","typ":"JWT"}""")}.{Part(claims)}.", now.AddHours(2));
        }

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            ValueTask.FromResult(GetToken(requestContext, cancellationToken));

        private static string Part(string json) => Convert.ToBase64String(Encoding.UTF8.GetBytes(json)).TrimEnd('=').Replace('+', '-').Replace('/', '_');
    }
}
