using System.Text;

namespace Batch.Inference.Tokenizers;

/// <summary>Every token's id, its bytes in the text and whether it is a control token. Immutable, so shared by all callers.</summary>
internal sealed class Vocabulary
{
    private readonly Dictionary<string, int> _ids;
    private readonly byte[][] _bytes;
    private readonly string[] _tokens;
    private readonly HashSet<int> _special;

    /// <param name="tokens">The model's tokens.</param>
    /// <param name="added">Added tokens; they may lie in <paramref name="tokens"/> or beyond.</param>
    /// <param name="bytesOf">The bytes that a token of the model stands for.</param>
    /// <param name="bytesOfAdded">The bytes of an added token; its content itself where it is not said.</param>
    public Vocabulary(
        IReadOnlyDictionary<string, int> tokens,
        IReadOnlyList<AddedToken> added,
        Func<string, byte[]> bytesOf,
        Func<string, byte[]>? bytesOfAdded = null)
    {
        Size = tokens.Values.Concat(added.Select(token => token.Id)).DefaultIfEmpty(-1).Max() + 1;
        _ids = new Dictionary<string, int>(tokens);
        _bytes = new byte[Size][];
        Array.Fill(_bytes, []);
        _tokens = new string[Size];
        Array.Fill(_tokens, "");
        foreach (var (token, id) in tokens)
        {
            _bytes[id] = bytesOf(token);
            _tokens[id] = token;
        }
        foreach (var token in added)
        {
            _ids[token.Content] = token.Id;
            _tokens[token.Id] = token.Content;
            _bytes[token.Id] = (bytesOfAdded ?? Encoding.UTF8.GetBytes)(token.Content);
        }
        _special = [.. added.Where(token => token.Special).Select(token => token.Id)];
    }

    /// <summary>Highest id + 1.</summary>
    public int Size { get; }

    public int? Find(string token) => _ids.TryGetValue(token, out var id) ? id : null;

    public bool IsSpecial(int id) => _special.Contains(id);

    public ReadOnlySpan<byte> GetBytes(int id) => _bytes[Checked(id)];

    public string GetToken(int id) => _tokens[Checked(id)];

    private int Checked(int id) => (uint)id < (uint)Size
        ? id
        : throw new ArgumentOutOfRangeException(nameof(id), id, $"a token id must lie in [0, {Size})");
}
