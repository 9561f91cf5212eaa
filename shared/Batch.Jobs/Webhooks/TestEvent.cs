using System.Security.Cryptography;
using Batch.Jobs.Events;
using Batch.Jobs.Requests;

namespace Batch.Jobs.Webhooks;

/// <summary>An event that nothing caused, for its receiver to be tried with.</summary>
internal static class TestEvent
{
    /// <summary><c>{type}</c> of a body; batch.completed where it or the field is missing.</summary>
    public static string ReadType(ReadOnlyMemory<byte> body)
    {
        var type = EventType.All[0];
        if (body.Length == 0)
        {
            return type;
        }

        using var json = JobRequestParser.ReadJson(body);
        foreach (var field in JsonField.Fields(json.RootElement))
        {
            type = field.Name == "type" ? JsonField.Text(field, 128) : throw JsonField.Unknown(field);
            if (!EventType.All.Contains(type, StringComparer.Ordinal))
            {
                throw JsonField.Wrong(field, string.Join(", ", EventType.All), JsonField.Quote(type));
            }
        }

        return type;
    }

    public static TenantEvent Of(string type, string tenant, DateTimeOffset now)
    {
        var subject = type == EventType.EndpointDisabled ? "we_test" : type.StartsWith("batch.job.", StringComparison.Ordinal) ? "job_test" : "batch_test";
        var id = $"test_{RandomNumberGenerator.GetHexString(16, lowercase: true)}";
        return new TenantEvent(id, type, tenant, subject, now, new { Id = subject, Tenant = tenant, Test = true });
    }
}
