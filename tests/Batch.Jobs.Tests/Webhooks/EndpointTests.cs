using System.Text;
using System.Text.Json;
using Batch.Jobs.Requests;
using Batch.Jobs.Storage;
using Batch.Jobs.Webhooks;
using Microsoft.Extensions.Options;

namespace Batch.Jobs.Tests.Webhooks;

/// <summary>What the owner of endpoints does with them.</summary>
public sealed class EndpointTests(StorageEmulator storage)
{
    private static readonly string Key = Convert.ToBase64String(Enumerable.Range(1, 32).Select(i => (byte)i).ToArray());

    private readonly string _tenant = $"t{Guid.NewGuid():N}";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task CreateAsync_ShowsTheSecretThisOnce()
    {
        var webhooks = await TestWebhooks.StartAsync(storage);

        var made = await webhooks.CreateAsync(_tenant, """{"url":"https://example.org/hook","description":"news","events":["batch.*"],"format":"cloudevents"}""");

        Assert.NotNull(WebhookSignature.ReadSecret(made.Secret!));
        var got = await webhooks.Control.GetAsync(made.Id, TestWebhooks.Owner(_tenant), Cancellation);
        Assert.Equivalent(made with { Secret = null }, got, strict: true);
        Assert.Equal(("https://example.org/hook", "news", WebhookFormat.Cloudevents, EndpointStatus.Enabled), (got.Url, got.Description, got.Format, got.Status));
        Assert.Equal(["batch.*"], got.Events);
        Assert.Null(Assert.Single((await webhooks.Control.ListAsync(null, 20, TestWebhooks.Owner(_tenant), Cancellation)).Data).Secret);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Secret_StandsInTheTableOnlyEncrypted_WhenThereIsAKey(bool hasKey)
    {
        var webhooks = await TestWebhooks.StartAsync(storage, new WebhookOptions { EncryptionKey = hasKey ? Key : null });
        var made = await webhooks.CreateAsync(_tenant, """{"url":"https://example.org/hook"}""");
        await webhooks.Control.RotateAsync(made.Id, TimeSpan.FromHours(1), null, TestWebhooks.Owner(_tenant), Cancellation);

        var row = string.Join('\n', Assert.Single(await webhooks.RowsAsync(EndpointStore.EndpointsTable, _tenant)).Select(property => property.Value));

        Assert.Equal(!hasKey, row.Contains(made.Secret!, StringComparison.Ordinal));
        Assert.Equal(!hasKey, row.Contains("whsec_", StringComparison.Ordinal));
    }

    [Fact]
    public void Secret_OpensInItsOwnRowAndWithItsKeyAlone()
    {
        var other = Convert.ToBase64String(new byte[32]);
        var old = new EndpointSecrets(Options.Create(new WebhookOptions { EncryptionKey = Key }));
        var rotated = new EndpointSecrets(Options.Create(new WebhookOptions { EncryptionKey = $"{other} {Key}" }));
        var alone = new EndpointSecrets(Options.Create(new WebhookOptions { EncryptionKey = other }));
        var kept = old.Protect(TestWebhooks.Secret, "acme", "we_1");

        Assert.Equal(TestWebhooks.Secret, old.Reveal(kept, "acme", "we_1"));
        Assert.Equal(TestWebhooks.Secret, rotated.Reveal(kept, "acme", "we_1"));
        Assert.Equal(TestWebhooks.Secret, alone.Reveal(rotated.Protect(TestWebhooks.Secret, "acme", "we_1"), "acme", "we_1"));
        Assert.NotEqual(kept, old.Protect(TestWebhooks.Secret, "acme", "we_1"));
        foreach (var (secrets, tenant, id) in new[] { (old, "other", "we_1"), (old, "acme", "we_2"), (alone, "acme", "we_1") })
        {
            var error = Assert.Throws<InvalidOperationException>(() => secrets.Reveal(kept, tenant, id));
            Assert.DoesNotContain(TestWebhooks.Secret, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task RotateAsync_SignsWithBothUntilTheOverlapIsOver()
    {
        var webhooks = await TestWebhooks.StartAsync(storage, new WebhookOptions { EncryptionKey = Key });
        var made = await webhooks.CreateAsync(_tenant, """{"url":"https://example.org/hook"}""");

        var rotated = await webhooks.Control.RotateAsync(made.Id, TimeSpan.FromHours(1), null, TestWebhooks.Owner(_tenant), Cancellation);

        Assert.NotEqual(made.Secret, rotated.Secret);
        Assert.Equal([rotated.Secret!, made.Secret!], await KeysAsync());
        webhooks.Time.Advance(TimeSpan.FromHours(1));
        Assert.Equal([rotated.Secret!], await KeysAsync());
        var last = await webhooks.Control.RotateAsync(made.Id, TimeSpan.Zero, null, TestWebhooks.Owner(_tenant), Cancellation);
        Assert.Equal([last.Secret!], await KeysAsync());

        async Task<IEnumerable<string>> KeysAsync() => webhooks.Secrets.KeysOf((await webhooks.Endpoints.FindAsync(_tenant, made.Id, Cancellation))!, webhooks.Time.GetUtcNow())
            .Select(key => WebhookSignature.Prefix + Convert.ToBase64String(key));
    }

    [Fact]
    public async Task CreateAsync_SameIdempotencyKey_IsTheSameEndpointAndAConflictForAnother()
    {
        var webhooks = await TestWebhooks.StartAsync(storage);

        var made = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => webhooks.CreateAsync(_tenant, """{"url":"https://example.org/hook"}""", "key")));
        var conflict = await Assert.ThrowsAsync<InvalidJobException>(() => webhooks.CreateAsync(_tenant, """{"url":"https://example.org/other"}""", "key"));

        Assert.Single(made.Select(endpoint => endpoint.Id).Distinct());
        Assert.Single(made, endpoint => endpoint.Secret is not null);
        Assert.Equal(JobErrorCode.IdempotencyConflict, conflict.Code);
        Assert.NotEqual(made[0].Id, (await webhooks.CreateAsync($"{_tenant}x", """{"url":"https://example.org/hook"}""", "key")).Id);
    }

    [Fact]
    public async Task CreateAsync_CrashAfterEachWrite_IsHealedByItsRepetition()
    {
        var faults = new StorageFaults();
        var webhooks = await TestWebhooks.StartAsync(storage, faults: faults);
        for (var write = 1; ; write++)
        {
            faults.CrashAfterWrite(write);
            var error = await Record.ExceptionAsync(() => webhooks.CreateAsync($"{_tenant}-{write}", """{"url":"https://example.org/hook"}""", "key"));
            faults.Revive();

            var made = await webhooks.CreateAsync($"{_tenant}-{write}", """{"url":"https://example.org/hook"}""", "key");
            Assert.Equal(made.Id, Assert.Single((await webhooks.Control.ListAsync(null, 20, TestWebhooks.Owner($"{_tenant}-{write}"), Cancellation)).Data).Id);
            if (error is null)
            {
                Assert.Equal(4, write);
                break;
            }
        }
    }

    [Fact]
    public async Task RotateAsync_SameIdempotencyKey_RotatesOnce()
    {
        var webhooks = await TestWebhooks.StartAsync(storage);
        var made = await webhooks.CreateAsync(_tenant, """{"url":"https://example.org/hook"}""");

        var rotated = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => RotateAsync("monday")));
        var shown = Assert.Single(rotated, endpoint => endpoint.Secret is not null).Secret;
        Assert.Equal([shown, made.Secret], await SecretsAsync());
        webhooks.Time.Advance(TimeSpan.FromSeconds(1));
        var later = await RotateAsync("tuesday");
        var repeated = await RotateAsync("monday");
        var conflict = await Assert.ThrowsAsync<InvalidJobException>(() => webhooks.Control.RotateAsync(made.Id, TimeSpan.Zero, "monday", TestWebhooks.Owner(_tenant), Cancellation));

        Assert.Null(repeated.Secret);
        Assert.Equal([later.Secret, shown], await SecretsAsync());
        Assert.Equal(JobErrorCode.IdempotencyConflict, conflict.Code);

        Task<EndpointView> RotateAsync(string key) => webhooks.Control.RotateAsync(made.Id, TimeSpan.FromHours(1), key, TestWebhooks.Owner(_tenant), Cancellation);

        async Task<IEnumerable<string?>> SecretsAsync() =>
            await webhooks.Endpoints.FindAsync(_tenant, made.Id, Cancellation) is { } row ? [row.Secret, row.PreviousSecret] : [];
    }

    [Fact]
    public async Task RotateAsync_CrashAfterEachWrite_IsHealedByItsRepetition()
    {
        var faults = new StorageFaults();
        var webhooks = await TestWebhooks.StartAsync(storage, faults: faults);
        for (var write = 1; ; write++)
        {
            var made = await webhooks.CreateAsync(_tenant, """{"url":"https://example.org/hook"}""");
            faults.CrashAfterWrite(write);
            var error = await Record.ExceptionAsync(() => RotateAsync(made));
            faults.Revive();

            await RotateAsync(made);
            var row = (await webhooks.Endpoints.FindAsync(_tenant, made.Id, Cancellation))!;
            Assert.Equal((false, made.Secret), (row.Secret == made.Secret, row.PreviousSecret));
            if (error is null)
            {
                Assert.Equal(4, write);
                break;
            }
        }

        Task<EndpointView> RotateAsync(EndpointView made) => webhooks.Control.RotateAsync(made.Id, TimeSpan.FromHours(1), "key", TestWebhooks.Owner(_tenant), Cancellation);
    }

    [Fact]
    public async Task ListAsync_IsNewestFirstInPages()
    {
        var webhooks = await TestWebhooks.StartAsync(storage);
        var made = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            made.Insert(0, (await webhooks.CreateAsync(_tenant, $$"""{"url":"https://example.org/{{i}}"}""")).Id);
            webhooks.Time.Advance(TimeSpan.FromSeconds(1));
        }

        var first = await webhooks.Control.ListAsync(null, 2, TestWebhooks.Owner(_tenant), Cancellation);
        var second = await webhooks.Control.ListAsync(first.LastId, 3, TestWebhooks.Owner(_tenant), Cancellation);

        Assert.Equal(made, first.Data.Concat(second.Data).Select(endpoint => endpoint.Id));
        Assert.Equal((true, false), (first.HasMore, second.HasMore));
    }

    [Fact]
    public async Task CreateAsync_IsRefused_WhenTheTenantHasAsManyAsItMayHave()
    {
        var webhooks = await TestWebhooks.StartAsync(storage);
        await Parallel.ForAsync(0, 50, Cancellation, async (i, _) => await webhooks.CreateAsync(_tenant, """{"url":"https://example.org/hook"}"""));

        var error = await Assert.ThrowsAsync<InvalidJobException>(() => webhooks.CreateAsync(_tenant, """{"url":"https://example.org/hook"}"""));

        Assert.Contains("50 webhook endpoints", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task UpdateAsync_ChangesTheFieldsGivenAndNoOthers()
    {
        var webhooks = await TestWebhooks.StartAsync(storage);
        var made = await webhooks.CreateAsync(_tenant, """{"url":"https://example.org/hook","description":"news","events":["batch.job.*"]}""");

        var disabled = await UpdateAsync("""{"status":"disabled","url":"https://example.org/new"}""");
        var enabled = await UpdateAsync("""{"status":"enabled","events":["*"],"format":"cloudevents"}""");

        Assert.Equal((EndpointStatus.Disabled, "its owner disabled it", "https://example.org/new", "news"), (disabled.Status, disabled.DisabledReason, disabled.Url, disabled.Description));
        Assert.Equal(["batch.job.*"], disabled.Events);
        Assert.Equal((EndpointStatus.Enabled, null, WebhookFormat.Cloudevents, null), (enabled.Status, enabled.DisabledReason, enabled.Format, enabled.Secret));
        Assert.Equal(["*"], enabled.Events);

        Task<EndpointView> UpdateAsync(string json) => webhooks.Control.UpdateAsync(made.Id, Encoding.UTF8.GetBytes(json), TestWebhooks.Owner(_tenant), Cancellation);
    }

    [Fact]
    public async Task Endpoints_OfAnotherTenant_AreNotFoundAndHearNothing()
    {
        var webhooks = await TestWebhooks.StartAsync(storage);
        var made = await webhooks.CreateAsync(_tenant, """{"url":"https://example.org/hook"}""");
        var stranger = TestWebhooks.Owner("stranger");
        await webhooks.TellAsync("stranger");
        await webhooks.TellAsync(_tenant);
        var delivery = Assert.Single(await webhooks.DeliveriesAsync(made.Id));

        Func<Task>[] asked =
        [
            () => webhooks.Control.GetAsync(made.Id, stranger, Cancellation),
            () => webhooks.Control.UpdateAsync(made.Id, "{}"u8.ToArray(), stranger, Cancellation),
            () => webhooks.Control.RotateAsync(made.Id, TimeSpan.Zero, null, stranger, Cancellation),
            () => webhooks.Control.TestAsync(made.Id, default, stranger, Cancellation),
            () => webhooks.Control.DeleteAsync(made.Id, stranger, Cancellation),
            () => webhooks.Log.LogOfEndpointAsync(made.Id, stranger, Cancellation),
        ];

        Assert.Equal(_tenant, delivery.Tenant);
        foreach (var ask in asked)
        {
            Assert.Equal(JobErrorCode.WebhookEndpointNotFound, (await Assert.ThrowsAsync<InvalidJobException>(ask)).Code);
        }
    }

    [Theory]
    [InlineData("""{"description":"no address"}""", "url is missing")]
    [InlineData("""{"url":"https://example.org","format":"xml"}""", "format must be openai or cloudevents, was \"xml\"")]
    [InlineData("""{"url":"https://example.org","status":"paused"}""", "status must be enabled or disabled, was \"paused\"")]
    [InlineData("""{"url":"https://example.org","secret":"whsec_mine"}""", "unknown field \"secret\"")]
    [InlineData("""{"url":"https://example.org","events":["batch.done"]}""", "events must be types of events")]
    [InlineData("[]", "must be a JSON object")]
    public async Task CreateAsync_WrongFields_AreRefusedByName(string json, string said)
    {
        var webhooks = await TestWebhooks.StartAsync(storage);

        var error = await Assert.ThrowsAsync<InvalidJobException>(() => webhooks.CreateAsync(_tenant, json));

        Assert.Contains(said, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task NoEventAndNoDeliverySaysTheSecret()
    {
        var webhooks = await TestWebhooks.StartAsync(storage);
        var made = await webhooks.CreateAsync(_tenant, """{"url":"https://example.org/hook","format":"cloudevents"}""");
        await webhooks.TellAsync(_tenant);
        await webhooks.Endpoints.UpdateAsync(
            (await webhooks.Endpoints.FindAsync(_tenant, made.Id, Cancellation))!, row => row.Disable("test", webhooks.Time.GetUtcNow()) with { EventState = EventState.Pending }, Cancellation);
        var failed = await webhooks.AttemptAsync(Assert.Single(await webhooks.DeliveriesAsync(made.Id)));

        var said = JsonSerializer.Serialize(await webhooks.Log.GetAsync(failed.Log, failed.Id, Cancellation), JobJson.Options)
            + string.Concat((await webhooks.RowsAsync(DeliveryStore.DeliveriesTable, failed.Log)).SelectMany(row => row.Select(property => property.Value is byte[] body ? Encoding.UTF8.GetString(body) : property.Value)));

        Assert.Contains("the endpoint is disabled: test", said, StringComparison.Ordinal);
        Assert.DoesNotContain(made.Secret!["whsec_".Length..], said, StringComparison.Ordinal);
    }
}
