using System.Globalization;

namespace Batch.Inference.Tokenizers;

/// <summary>What tokenizer_config.json, special_tokens_map.json, added_tokens.json and chat_template.jinja say, where they exist.</summary>
internal sealed class SpecialTokenFacts
{
    private static readonly string[] Roles = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];

    private readonly Dictionary<string, string> _tokenOfRole = [];
    private readonly HashSet<string> _special = [];
    private readonly List<AddedToken> _added = [];

    private SpecialTokenFacts(string folder)
    {
        Folder = folder;
    }

    public string Folder { get; }

    public string? ChatTemplate { get; private set; }

    public string? BosToken => Token("bos_token");

    public string? EosToken => Token("eos_token");

    /// <summary>What stands for a blank to fill.</summary>
    public string? MaskToken => Token("mask_token");

    /// <summary>add_bos_token, where it is said.</summary>
    public bool? AddBos { get; private set; }

    /// <summary>add_eos_token, where it is said.</summary>
    public bool? AddEos { get; private set; }

    public static SpecialTokenFacts Read(string folder)
    {
        var facts = new SpecialTokenFacts(folder);
        facts.ReadConfig(Path.Combine(folder, "tokenizer_config.json"));
        facts.ReadMap(Path.Combine(folder, "special_tokens_map.json"));
        facts.ReadAdded(Path.Combine(folder, "added_tokens.json"));
        var template = Path.Combine(folder, "chat_template.jinja");
        if (File.Exists(template))
        {
            facts.ChatTemplate = File.ReadAllText(template);
        }
        return facts;
    }

    /// <summary>The token of a role, as in "cls_token".</summary>
    public string? Token(string role) => _tokenOfRole.GetValueOrDefault(role);

    /// <summary>Gives a role its token where the files say none: some formats have fixed ones.</summary>
    public void Default(string role, string token)
    {
        if (_tokenOfRole.TryAdd(role, token))
        {
            _special.Add(token);
        }
    }

    /// <summary>
    /// The tokenizer file's own added tokens, those said here, and the tokens with a role, which are special whatever the file says.
    /// </summary>
    public IReadOnlyList<AddedToken> Complete(IEnumerable<AddedToken> own, IReadOnlyDictionary<string, int> vocabulary)
    {
        var tokens = new Dictionary<string, AddedToken>();
        foreach (var token in own.Concat(_added))
        {
            tokens.TryAdd(token.Content, token);
        }
        foreach (var content in _special)
        {
            if (tokens.TryGetValue(content, out var known))
            {
                tokens[content] = known with { Special = true };
            }
            else if (vocabulary.TryGetValue(content, out var id))
            {
                tokens[content] = new AddedToken(id, content, Special: true);
            }
        }
        return [.. tokens.Values.OrderBy(token => token.Id)];
    }

    private void ReadConfig(string file)
    {
        if (!File.Exists(file))
        {
            return;
        }
        var config = JsonPart.Read(file);
        ReadRoles(config);
        AddBos = config.Find("add_bos_token") is null ? null : config.Flag("add_bos_token", false);
        AddEos = config.Find("add_eos_token") is null ? null : config.Flag("add_eos_token", false);
        ChatTemplate = config.Find("chat_template") is { } template ? ReadTemplate(template) : null;
        foreach (var (id, token) in config.Find("added_tokens_decoder")?.Members() ?? [])
        {
            if (!int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                throw new InvalidDataException($"{file}: added_tokens_decoder: wanted token ids as names, saw '{id}'");
            }
            _added.Add(AddedToken.Read(token, number));
        }
    }

    private void ReadMap(string file)
    {
        if (File.Exists(file))
        {
            ReadRoles(JsonPart.Read(file));
        }
    }

    private void ReadAdded(string file)
    {
        if (!File.Exists(file))
        {
            return;
        }
        foreach (var (content, id) in JsonPart.Read(file).Members())
        {
            if (_added.TrueForAll(token => token.Content != content))
            {
                _added.Add(new AddedToken(id.Id(), content, Special: false));
            }
        }
    }

    /// <summary>The first file that names a role's token is believed.</summary>
    private void ReadRoles(JsonPart part)
    {
        foreach (var role in Roles)
        {
            if (part.Find(role) is { } token)
            {
                _tokenOfRole.TryAdd(role, ReadToken(token));
                _special.Add(_tokenOfRole[role]);
            }
        }
        if (part.Find("additional_special_tokens") is { } additional)
        {
            _special.UnionWith(additional.Items().Select(ReadToken));
        }
    }

    private static string ReadToken(JsonPart token) =>
        token.Value.ValueKind == System.Text.Json.JsonValueKind.Object ? token.Get("content").Text() : token.Text();

    /// <summary>One template, or a list of named ones of which "default" is for plain chat.</summary>
    private static string? ReadTemplate(JsonPart template)
    {
        if (template.Value.ValueKind != System.Text.Json.JsonValueKind.Array)
        {
            return template.Text();
        }
        foreach (var named in template.Items())
        {
            if (named.Get("name").Text() == "default")
            {
                return named.Get("template").Text();
            }
        }
        return null;
    }
}
