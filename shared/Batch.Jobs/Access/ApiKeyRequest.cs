using System.Text.Json.Serialization;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Access;

/// <summary>What <c>POST /v1/keys</c> asks for: <c>{name, scopes, expires_at}</c>, each with a default.</summary>
/// <param name="Name">For people, at most 128 characters.</param>
/// <param name="Scopes">What it may do; read and submit by default.</param>
/// <param name="ExpiresAt">When it ends; never by default.</param>
public sealed record ApiKeyRequest(string? Name, ApiScopes Scopes, DateTimeOffset? ExpiresAt)
{
    public static ApiKeyRequest Parse(ReadOnlyMemory<byte> body, DateTimeOffset now)
    {
        var standard = new ApiKeyRequest(null, ScopeNames.Read(ScopeNames.Default), null);
        if (body.Length == 0)
        {
            return standard;
        }

        using var json = JobRequestParser.ReadJson(body);
        var request = JsonField.Fields(json.RootElement).Aggregate(standard, (made, field) => field.Name switch
        {
            "name" => made with { Name = JsonField.Text(field, 128) },
            "scopes" => made with { Scopes = ScopeNames.Read(string.Join(',', JsonField.Strings(field))) },
            "expires_at" => made with { ExpiresAt = JsonField.Time(field) },
            _ => throw JsonField.Unknown(field),
        });
        return request.ExpiresAt <= now
            ? throw new InvalidJobException(JobErrorCode.InvalidRequest, $"expires_at must be in the future, was {request.ExpiresAt:O}", "expires_at")
            : request;
    }

    /// <summary><c>{overlap_seconds}</c> of a rotation; a day where the body or the field is missing.</summary>
    public static TimeSpan ParseOverlap(ReadOnlyMemory<byte> body)
    {
        const int Day = 86_400;
        var seconds = Day;
        if (body.Length > 0)
        {
            using var json = JobRequestParser.ReadJson(body);
            foreach (var field in JsonField.Fields(json.RootElement))
            {
                seconds = field.Name == "overlap_seconds" ? JsonField.Integer(field) : throw JsonField.Unknown(field);
            }
        }

        return seconds is >= 0 and <= 30 * Day
            ? TimeSpan.FromSeconds(seconds)
            : throw new InvalidJobException(
                JobErrorCode.InvalidRequest, $"overlap_seconds must be from 0 to {30 * Day}, was {seconds}", "overlap_seconds");
    }
}

/// <summary>A key as its tenant's admin sees it; <see cref="Key"/> only where it is made.</summary>
/// <param name="Id">key_ and an id.</param>
/// <param name="Kind">Always api_key.</param>
/// <param name="Tenant">Whose it is.</param>
/// <param name="Name">For people.</param>
/// <param name="Scopes">read, submit, admin: what it may do, with commas between.</param>
/// <param name="Ending">Its last four characters.</param>
/// <param name="CreatedAt">When it was made, in Unix seconds.</param>
/// <param name="ExpiresAt">When it ends, where it does.</param>
/// <param name="RevokedAt">When it was ended, where it was.</param>
/// <param name="Key">sk- and the key; only where it is new.</param>
public sealed record ApiKeyView(
    string Id, [property: JsonPropertyName("object")] string Kind, string Tenant, string? Name, string Scopes, string Ending, long CreatedAt, long? ExpiresAt, long? RevokedAt, string? Key)
{
    public static ApiKeyView Of(ApiKey key, string? secret = null) => new(
        key.Id, "api_key", key.Tenant, key.Name, ScopeNames.Write(key.Allowed), key.Ending, key.CreatedAt.ToUnixTimeSeconds(),
        key.ExpiresAt?.ToUnixTimeSeconds(), key.RevokedAt?.ToUnixTimeSeconds(), secret);
}
