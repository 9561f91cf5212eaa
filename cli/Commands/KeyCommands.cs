using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Azure;
using Azure.Data.Tables.Models;
using Batch.Jobs;
using Batch.Jobs.Access;
using Batch.Jobs.Storage;
using Microsoft.Extensions.Configuration;

namespace Batch.Cli.Commands;

/// <summary>keys create, list, rotate, revoke: over HTTP with an admin key, and the first key of a tenant straight into the storage.</summary>
internal static class KeyCommands
{
    public static Command Create() => new("keys", "Make and end the API keys of your tenant") { CreateCreate(), CreateList(), CreateRotate(), CreateRevoke() };

    private static Command CreateCreate()
    {
        var name = new Option<string?>("--name") { Description = "What the key is for" };
        var scopes = new Option<string>("--scopes") { Description = "read, submit, admin; several separated by commas", DefaultValueFactory = _ => ScopeNames.Default };
        var expires = new Option<DateTimeOffset?>("--expires") { Description = "When the key ends, such as 2027-01-31T00:00Z; never by default" };
        var storage = new Option<string?>("--storage") { Description = "Write the key into this storage (account name, or connection string) instead of asking the server: for a tenant's first key", HelpName = "ACCOUNT" };
        var tenant = new Option<string>("--tenant") { Description = "Whose key, with --storage", DefaultValueFactory = _ => Caller.DefaultTenant };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("create", "Make a key; it is shown this once") { name, scopes, expires, storage, tenant, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var (allowed, end) = (ScopeNames.Read(given.GetValue(scopes)!), given.GetValue(expires));
            if (given.GetValue(storage) is { } account)
            {
                var store = new ApiKeyStore(Storage(account), TimeProvider.System);
                var (key, secret) = await CreateAsync(store, given.GetValue(tenant)!, allowed, given.GetValue(name), end, cancellationToken);
                Show(JsonSerializer.SerializeToElement(ApiKeyView.Of(key, secret), JobJson.Options), given.GetValue(json));
                return ExitCode.Success;
            }
            var asked = new JsonObject { ["name"] = given.GetValue(name), ["scopes"] = ScopeNames.Write(allowed), ["expires_at"] = end?.ToUnixTimeSeconds() };
            Show(await server.Connect(given).SendAsync(HttpMethod.Post, "v1/keys", asked, cancellationToken), given.GetValue(json));
            return ExitCode.Success;
        });
        return command;
    }

    private static async Task<(ApiKey Key, string Secret)> CreateAsync(ApiKeyStore store, string tenant, ApiScopes scopes, string? name, DateTimeOffset? end, CancellationToken cancellationToken)
    {
        try
        {
            return await store.CreateAsync(tenant, scopes, name, end, cancellationToken);
        }
        catch (RequestFailedException e) when (e.ErrorCode == TableErrorCode.TableNotFound)
        {
            throw new InvalidOperationException($"this storage has no table '{ApiKeyStore.ApiKeysTable}' yet: the worker makes it at its first start, the template before", e);
        }
    }

    private static Command CreateList()
    {
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("list", "Show the tenant's keys, without the keys themselves") { json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var keys = await server.Connect(given).SendAsync(HttpMethod.Get, "v1/keys", null, cancellationToken);
            if (given.GetValue(json))
            {
                Output.WriteJsonLines(keys);
                return ExitCode.Success;
            }
            foreach (var key in keys.GetProperty("data").EnumerateArray())
            {
                Console.Out.WriteLine(Line(key));
            }
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateRotate()
    {
        var id = new Argument<string>("ID") { Description = "The key, by its id" };
        var overlap = new Option<int>("--overlap") { Description = "Seconds for which the old key goes on", DefaultValueFactory = _ => 86_400 };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("rotate", "Make a key with the rights of another, which ends after the overlap") { id, overlap, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var asked = new JsonObject { ["overlap_seconds"] = given.GetValue(overlap) };
            Show(await server.Connect(given).SendAsync(HttpMethod.Post, $"v1/keys/{Uri.EscapeDataString(given.GetValue(id)!)}/rotate", asked, cancellationToken), given.GetValue(json));
            return ExitCode.Success;
        });
        return command;
    }

    private static Command CreateRevoke()
    {
        var id = new Argument<string>("ID") { Description = "The key, by its id" };
        var json = Output.JsonOption();
        var server = new ServerOption();
        var command = new Command("revoke", "End a key at once") { id, json };
        server.AddTo(command);
        command.SetAction(async (given, cancellationToken) =>
        {
            var key = await server.Connect(given).SendAsync(HttpMethod.Delete, $"v1/keys/{Uri.EscapeDataString(given.GetValue(id)!)}", null, cancellationToken);
            if (given.GetValue(json))
            {
                Output.WriteJson(key);
                return ExitCode.Success;
            }
            Console.Out.WriteLine($"{given.GetValue(id)} is revoked");
            return ExitCode.Success;
        });
        return command;
    }

    // The account by the identity of whoever is logged in to Azure, or by a connection string.
    private static StorageClients Storage(string account) => StorageClients.FromConfiguration(new ConfigurationBuilder().AddInMemoryCollection(
        [new(account.Contains('=', StringComparison.Ordinal) ? "AzureWebJobsStorage" : "AzureWebJobsStorage:accountName", account)]).Build());

    private static void Show(JsonElement made, bool json)
    {
        if (json)
        {
            Output.WriteJson(made);
            return;
        }
        Console.Error.WriteLine($"The key of tenant {made.GetProperty("tenant").GetString()}, shown this once:");
        Console.Out.WriteLine(made.GetProperty("key").GetString());
    }

    private static string Line(JsonElement key)
    {
        var state = key.TryGetProperty("revoked_at", out _) ? "revoked"
            : key.TryGetProperty("expires_at", out var end) ? $"until {DateTimeOffset.FromUnixTimeSeconds(end.GetInt64()):yyyy-MM-dd HH:mm:ss}Z" : "valid";
        var name = key.TryGetProperty("name", out var given) ? $"  {given.GetString()}" : "";
        return $"{key.GetProperty("id").GetString()}  …{key.GetProperty("ending").GetString()}  {key.GetProperty("scopes").GetString()}  {state}{name}";
    }
}
