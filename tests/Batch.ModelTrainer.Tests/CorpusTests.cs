using Batch.ModelTrainer.Corpus;
using Xunit;

namespace Batch.ModelTrainer.Tests;

public class CorpusTests
{
    [Theory]
    [InlineData("en")]
    [InlineData("zh")]
    public void ReadLanguage_EveryPackParsesWithEverySlotDefined(string language)
    {
        var (_, packs) = PackReader.ReadLanguage(Repository.Corpus, language);

        Assert.True(packs.Length >= 40, $"{packs.Length} packs");
        Assert.Equal(packs.Length, packs.Select(pack => pack.Topic).Distinct().Count());
    }

    [Theory]
    [InlineData("en")]
    [InlineData("zh")]
    public void Next_LeavesNoMarkOfAFrame(string language)
    {
        var (shared, packs) = PackReader.ReadLanguage(Repository.Corpus, language);
        var generator = new DocumentGenerator(shared, packs, seed: 7);

        for (var i = 0; i < 500; i++)
        {
            var document = generator.Next();
            Assert.True(document.Length > 0 && document.IndexOfAny(['{', '}', '(', ')', '|']) < 0, document);
        }
    }

    [Fact]
    public void Next_GivesTheSameDocuments_WhenTheSeedIsTheSame()
    {
        var (shared, packs) = PackReader.ReadLanguage(Repository.Corpus, "en");

        string[] Draw(int seed)
        {
            var generator = new DocumentGenerator(shared, packs, seed);
            return [.. Enumerable.Range(0, 50).Select(_ => generator.Next())];
        }

        Assert.Equal(Draw(3), Draw(3));
        Assert.NotEqual(Draw(3), Draw(4));
    }

    [Fact]
    public void Documents_GiveEachSourceItsShareOfTheTokens()
    {
        var corpus = CorpusText.Open(Repository.Corpus, prose: null, seed: 1);
        var drawn = corpus.Documents(text => text.Length).Take(400).ToArray();

        var chinese = drawn.Where(text => text.Any(c => c is >= '\u4e00' and <= '\u9fff')).Sum(text => text.Length);

        Assert.InRange((double)chinese / drawn.Sum(text => text.Length), 0.48, 0.52);
    }

    [Fact]
    public void ReadPack_NamesFileAndLine_WhenASlotIsNotDefined()
    {
        var file = Path.GetTempFileName();
        File.WriteAllLines(file, ["topic: tea", "slots:", "cup = mug | glass", "title:", "Tea", "open:", "A {bowl} of tea."]);
        var shared = PackReader.ReadShared(Path.Combine(Repository.Corpus, "shared.en.txt"), chinese: false);

        var error = Assert.Throws<InvalidDataException>(() => PackReader.ReadPack(file, shared));

        Assert.Equal($"{file}:7: slot 'bowl' is not defined", error.Message);
        File.Delete(file);
    }
}
