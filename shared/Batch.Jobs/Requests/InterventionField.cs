using System.Text.Json;
using Batch.Inference.Engine.Interventions;

namespace Batch.Jobs.Requests;

/// <summary>
/// The field <c>interventions</c>: an array of <c>{"when": {…}, "then": {…} or [{…}, …], "limit": n}</c>. Shapes and names are checked here, ranges with
/// the other parameters; a message names the place, as <c>interventions[0].when.regex</c>.
/// </summary>
internal static class InterventionField
{
    public static IReadOnlyList<Intervention> Read(JsonProperty field) =>
        [.. Items(field.Value, "interventions").Select((item, i) => Rule(item, $"interventions[{i}]"))];

    private static Intervention Rule(JsonElement json, string at)
    {
        var parts = Parts(json, at, "when", "then", "limit");
        if (!parts.TryGetValue("when", out var when) || !parts.TryGetValue("then", out var then))
        {
            throw Wrong(at, "{when, then, limit}", parts.ContainsKey("when") ? "one without then" : "one without when");
        }

        var actions = then.ValueKind == JsonValueKind.Array
            ? Items(then, $"{at}.then").Select((item, i) => Action(item, $"{at}.then[{i}]"))
            : [Action(then, $"{at}.then")];
        return new Intervention(Condition(when, $"{at}.when"), [.. actions], parts.TryGetValue("limit", out var limit) ? Integer(limit, $"{at}.limit") : null);
    }

    private static InterventionCondition Condition(JsonElement json, string at)
    {
        var condition = new InterventionCondition();
        foreach (var (name, value) in Parts(json, at, "regex", "tokens", "every", "entropy", "repetition"))
        {
            var inner = $"{at}.{name}";
            condition = name switch
            {
                "regex" => condition with { Regex = Text(value, inner) },
                "tokens" => condition with { Tokens = Integer(value, inner) },
                "every" => condition with { Every = Integer(value, inner) },
                "entropy" => condition with { Entropy = Entropy(value, inner) },
                _ => condition with { Repetition = Repetition(value, inner) },
            };
        }

        return condition;
    }

    private static EntropyCondition Entropy(JsonElement json, string at)
    {
        var entropy = new EntropyCondition();
        foreach (var (name, value) in Parts(json, at, "above", "below", "for"))
        {
            entropy = name switch
            {
                "above" => entropy with { Above = Number(value, $"{at}.above") },
                "below" => entropy with { Below = Number(value, $"{at}.below") },
                _ => entropy with { For = Integer(value, $"{at}.for") },
            };
        }

        return entropy;
    }

    private static RepetitionCondition Repetition(JsonElement json, string at)
    {
        var parts = Parts(json, at, "size", "times");
        return parts.Count == 2
            ? new RepetitionCondition(Integer(parts["size"], $"{at}.size"), Integer(parts["times"], $"{at}.times"))
            : throw Wrong(at, "{size, times}", "one of them");
    }

    private static InterventionAction Action(JsonElement json, string at)
    {
        var action = new InterventionAction();
        foreach (var (name, value) in Parts(json, at, "inject", "ban", "set", "rollback", "stop"))
        {
            var inner = $"{at}.{name}";
            action = name switch
            {
                "inject" => action with { Inject = Text(value, inner) },
                "ban" => action with { Ban = Ban(value, inner) },
                "set" => action with { Set = Set(value, inner) },
                "rollback" => action with { Rollback = Rollback(value, inner) },
                _ => action with { Stop = Boolean(value, inner) },
            };
        }

        return action;
    }

    private static BanAction Ban(JsonElement json, string at)
    {
        var ban = new BanAction();
        foreach (var (name, value) in Parts(json, at, "words", "token_ids", "for_tokens"))
        {
            var inner = $"{at}.{name}";
            ban = name switch
            {
                "words" => ban with { Words = [.. Items(value, inner).Select((item, i) => Text(item, $"{inner}[{i}]"))] },
                "token_ids" => ban with { TokenIds = [.. Items(value, inner).Select((item, i) => Integer(item, $"{inner}[{i}]"))] },
                _ => ban with { ForTokens = Integer(value, inner) },
            };
        }

        return ban;
    }

    private static SetAction Set(JsonElement json, string at)
    {
        var set = new SetAction();
        foreach (var (name, value) in Parts(json, at, "temperature", "top_k", "top_p", "min_p", "for_tokens"))
        {
            var inner = $"{at}.{name}";
            set = name switch
            {
                "temperature" => set with { Temperature = (float)Number(value, inner) },
                "top_k" => set with { TopK = Integer(value, inner) },
                "top_p" => set with { TopP = (float)Number(value, inner) },
                "min_p" => set with { MinP = (float)Number(value, inner) },
                _ => set with { ForTokens = Integer(value, inner) },
            };
        }

        return set;
    }

    private static RollbackAction Rollback(JsonElement json, string at)
    {
        var rollback = new RollbackAction();
        foreach (var (name, value) in Parts(json, at, "tokens", "match", "ban"))
        {
            rollback = name switch
            {
                "tokens" => rollback with { Tokens = Integer(value, $"{at}.tokens") },
                "match" => rollback with { Match = Boolean(value, $"{at}.match") },
                _ => rollback with { Ban = Boolean(value, $"{at}.ban") },
            };
        }

        return rollback;
    }

    private static Dictionary<string, JsonElement> Parts(JsonElement json, string at, params string[] known)
    {
        var wanted = $"an object of {string.Join(", ", known)}";
        if (json.ValueKind != JsonValueKind.Object)
        {
            throw Wrong(at, wanted, JsonField.Describe(json));
        }

        var unknown = json.EnumerateObject().Select(part => part.Name).FirstOrDefault(name => !known.Contains(name, StringComparer.Ordinal));
        return unknown is null
            ? json.EnumerateObject().Where(part => part.Value.ValueKind != JsonValueKind.Null).ToDictionary(part => part.Name, part => part.Value)
            : throw Wrong(at, wanted, $"one with {JsonField.Quote(unknown)}");
    }

    private static JsonElement.ArrayEnumerator Items(JsonElement json, string at) =>
        json.ValueKind == JsonValueKind.Array ? json.EnumerateArray() : throw Wrong(at, "an array", JsonField.Describe(json));

    private static string Text(JsonElement json, string at) =>
        json.ValueKind == JsonValueKind.String ? json.GetString()! : throw Wrong(at, "a string", JsonField.Describe(json));

    private static int Integer(JsonElement json, string at) =>
        json.ValueKind == JsonValueKind.Number && json.TryGetInt32(out var n) ? n : throw Wrong(at, "a 32-bit integer", JsonField.Describe(json));

    private static double Number(JsonElement json, string at) =>
        json.ValueKind == JsonValueKind.Number && json.TryGetDouble(out var x) ? x : throw Wrong(at, "a number", JsonField.Describe(json));

    private static bool Boolean(JsonElement json, string at) =>
        json.ValueKind is JsonValueKind.True or JsonValueKind.False ? json.GetBoolean() : throw Wrong(at, "true or false", JsonField.Describe(json));

    private static InvalidJobException Wrong(string at, string wanted, string seen) =>
        new(JobErrorCode.InvalidRequest, $"{at} must be {wanted}, was {seen}", "interventions");
}
