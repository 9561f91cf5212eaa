using System.Text;
using System.Text.RegularExpressions;

namespace Batch.ModelTrainer.Corpus;

/// <summary>Pieces of running prose from one language's files: each a few paragraphs long. The last twentieth of every file is held out.</summary>
internal sealed partial record ProseFolder(bool Chinese, string[] Pieces, string[] HeldOut)
{
    private const int EnglishPiece = 1200, ChinesePiece = 450;

    /// <summary>Reads every .txt file of <paramref name="folder"/> that is in the wanted language, told by its share of Chinese characters.</summary>
    public static ProseFolder Read(string folder, bool chinese)
    {
        List<string> pieces = [], heldOut = [];
        foreach (var file in Directory.GetFiles(folder, "*.txt").Order(StringComparer.Ordinal))
        {
            var text = File.ReadAllText(file);
            if (IsChinese(text) != chinese)
            {
                continue;
            }
            var own = Cut(text, chinese);
            var kept = own.Count - own.Count / 20;
            pieces.AddRange(own[..kept]);
            heldOut.AddRange(own[kept..]);
        }
        return new ProseFolder(chinese, [.. pieces], [.. heldOut]);
    }

    private static List<string> Cut(string text, bool chinese)
    {
        List<string> pieces = [];
        var piece = new StringBuilder();
        foreach (var raw in text.Split('\n'))
        {
            var line = Clean(raw);
            if (line.Length < 2 || NoteLine().IsMatch(line))
            {
                continue;
            }
            piece.Append(piece.Length == 0 ? "" : "\n\n").Append(line);
            if (piece.Length >= (chinese ? ChinesePiece : EnglishPiece))
            {
                pieces.Add(piece.ToString());
                piece.Clear();
            }
        }
        return pieces;
    }

    private static string Clean(string line)
    {
        var text = NoteMark().Replace(line.Trim(), "").Replace("(Applause.)", "", StringComparison.Ordinal);
        return text.Replace('’', '\'').Replace("  ", " ", StringComparison.Ordinal).Trim();
    }

    private static bool IsChinese(string text) => text.Take(4000).Count(c => c is >= '\u4e00' and <= '\u9fff') > 400;

    // Editors' notes are not the author's text: a line that begins with a note's mark, licence lines, and the marks in the text.
    [GeneratedRegex(@"^([〔\[［（(]\s*\d|[⑴-⒇①-⑳]|\*\*\*|Project Gutenberg|End of the Project)", RegexOptions.IgnoreCase)]
    private static partial Regex NoteLine();

    [GeneratedRegex(@"(?<=\S)([〔\[［]\s*\d+\s*[〕\]］]|[⑴-⒇①-⑳])")]
    private static partial Regex NoteMark();
}
