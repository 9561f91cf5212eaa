using System.Reflection;
using System.Text.Json;
using Azure.Storage.Queues.Models;
using Batch.LocalHost.Functions;

namespace Batch.LocalHost.Queues;

/// <summary>What a queue-triggered function may look like, and the value its trigger parameter gets.</summary>
internal static class QueueBinding
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNameCaseInsensitive = true };

    public static void Check(Function function)
    {
        FunctionShape.RequireNoResult(function);
        FunctionShape.RequireOnlyTrigger(function);
        var type = function.TriggerParameter.ParameterType;
        if (type.IsAbstract || type.IsByRef || typeof(Stream).IsAssignableFrom(type))
        {
            throw function.Invalid($"a queue message does not bind to {type}; take QueueMessage, string, BinaryData or a class read from JSON.");
        }
    }

    public static object? Bind(ParameterInfo parameter, QueueMessage message)
    {
        var type = parameter.ParameterType;
        return type == typeof(QueueMessage) ? message
            : type == typeof(BinaryData) ? message.Body
            : type == typeof(string) ? message.Body.ToString()
            : type == typeof(byte[]) ? message.Body.ToArray()
            : JsonSerializer.Deserialize(message.Body, type, Json)
                ?? throw new JsonException($"The message is null; '{parameter.Name}' needs a {type.Name}.");
    }
}
