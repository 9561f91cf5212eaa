using System.Text.Json;
using Batch.Inference.Engine.StructuredOutput;

namespace Batch.Jobs.Requests;

/// <summary>What a text must be, as vLLM writes it (structured_outputs) and as OpenAI does (response_format). What it holds is checked with the other parameters.</summary>
internal static class StructuredField
{
    private const string AnyObject = """{"type":"object"}""";

    /// <summary>Both fields say the same thing, so only one of them may.</summary>
    public static JobParameters Add(JobParameters parameters, JsonProperty field, StructuredOutputParams? outputs) => outputs is null ? parameters
        : parameters.StructuredOutputs is null ? parameters with { StructuredOutputs = outputs }
        : throw new InvalidJobException(JobErrorCode.InvalidRequest, "give structured_outputs or response_format, saw both", field.Name);

    /// <summary>One of json_schema (or json, an object or its text), json_object: true, regex and choice.</summary>
    public static StructuredOutputParams? StructuredOutputs(JsonProperty field)
    {
        const string Wanted = "an object with exactly one of json_schema, json_object, regex and choice";
        if (field.Value.ValueKind != JsonValueKind.Object)
        {
            throw JsonField.Wrong(field, Wanted);
        }

        var given = field.Value.EnumerateObject().Where(part => part.Value.ValueKind != JsonValueKind.Null).ToList();
        if (given.Count != 1)
        {
            throw JsonField.Wrong(field, Wanted, given.Count == 0 ? "an empty one" : $"one with {string.Join(", ", given.Select(part => JsonField.Quote(part.Name)))}");
        }

        var only = given[0];
        return only.Name switch
        {
            "json_schema" or "json" => new() { JsonSchema = only.Value.ValueKind == JsonValueKind.String ? only.Value.GetString() : only.Value.GetRawText() },
            "json_object" => JsonField.Boolean(only) ? new() { JsonSchema = AnyObject } : null,
            "regex" => new() { Regex = JsonField.Text(only, int.MaxValue) },
            "choice" when only.Value.ValueKind == JsonValueKind.Array => new() { Choice = JsonField.Strings(only) },
            "choice" => throw JsonField.Wrong(field, "one whose choice is an array of strings", $"one whose choice is {JsonField.Describe(only.Value)}"),
            _ => throw JsonField.Wrong(field, Wanted, $"one with {JsonField.Quote(only.Name)}"),
        };
    }

    /// <summary>{"type": "text" | "json_object"}, or {"type": "json_schema", "json_schema": {"name", "description", "schema", "strict"}}.</summary>
    public static StructuredOutputParams? ResponseFormat(JsonProperty field)
    {
        const string Wanted = "{type: text | json_object}, or {type: json_schema, json_schema: {name, schema}}, where description and strict may stand beside schema";
        if (field.Value.ValueKind != JsonValueKind.Object || !field.Value.TryGetProperty("type", out var type) || type.ValueKind != JsonValueKind.String)
        {
            throw JsonField.Wrong(field, Wanted);
        }

        var names = field.Value.EnumerateObject().Select(part => part.Name).Where(name => name != "type").ToList();
        switch (type.GetString())
        {
            case "text" when names.Count == 0:
                return null;
            case "json_object" when names.Count == 0:
                return new() { JsonSchema = AnyObject };
            case "json_schema" when names is ["json_schema"] && field.Value.GetProperty("json_schema") is { ValueKind: JsonValueKind.Object } named:
                var unknown = named.EnumerateObject().Select(part => part.Name).FirstOrDefault(name => name is not ("name" or "description" or "schema" or "strict"));
                return unknown is null && named.TryGetProperty("schema", out var schema)
                    ? new() { JsonSchema = schema.GetRawText() }
                    : throw JsonField.Wrong(field, Wanted, unknown is null ? "one without a schema" : $"one with {JsonField.Quote(unknown)}");
            default:
                throw JsonField.Wrong(field, Wanted, "another object");
        }
    }
}
