using System.Text.RegularExpressions;
using Batch.ModelTrainer.Corpus;
using Batch.ModelTrainer.Tokenizer;
using Microsoft.ML.Tokenizers;
using Xunit;

namespace Batch.ModelTrainer.Tests;

public class TokenizerTests
{
    private static readonly string[] Texts =
    [
        "The lighthouse keeper's daughter decided to stay, didn't she?",
        "老城墙下新开了一家修表铺，师傅说：“慢慢来。”",
        "Line one\n\nLine two \t with  spaces   \r\n",
        "Prices rose 3.75% in 2024; naïve café façade",
        "emoji 👩‍🚀 and 𠀀 beyond the basic plane",
        " ",
        "",
        "一二三 mixed 中文 and English，没有空格abc",
    ];

    private static readonly Vocabulary Trained = BpeTrainer.Train(SampleDocuments(), size: 700);

    [Fact]
    public void Train_FindsTheMostFrequentPairFirst()
    {
        var vocabulary = BpeTrainer.Train(["low low low lower lowest"], size: Vocabulary.FirstMerged + 3);

        Assert.Equal(["lo", "low", "Ġlow"], Enumerable.Range(Vocabulary.FirstMerged, 3).Select(vocabulary.Written));
    }

    [Fact]
    public void Encode_RoundTripsAnyText()
    {
        var encoder = new BpeEncoder(Trained);

        Assert.All(Texts, text => Assert.Equal(text, encoder.Decode(encoder.Encode(text))));
    }

    [Fact]
    public void Write_ReadsBackTheSameVocabulary()
    {
        var file = Path.GetTempFileName();
        TokenizerJson.Write(file, Trained);

        Assert.Equal(Trained.Merges, TokenizerJson.Read(file).Merges);
        File.Delete(file);
    }

    [Fact]
    public void Encode_AgreesWithAnIndependentReadingOfTheVocabulary()
    {
        var encoder = new BpeEncoder(Trained);
        var vocabulary = Enumerable.Range(0, Trained.Count).Select(id => KeyValuePair.Create(Trained.Written(id), id));
        var merges = Trained.Merges.Select(pair => $"{Trained.Written(pair.Left)} {Trained.Written(pair.Right)}");
        var other = BpeTokenizer.Create(new BpeOptions(vocabulary)
        {
            Merges = merges,
            ByteLevel = true,
            PreTokenizer = new RegexPreTokenizer(new Regex(Vocabulary.Pattern), null),
        });

        Assert.All(Texts.Concat(SampleDocuments().Take(60)), text => Assert.Equal(other.EncodeToIds(text), encoder.Encode(text)));
    }

    private static IEnumerable<string> SampleDocuments()
    {
        foreach (var language in (string[])["en", "zh"])
        {
            var (shared, packs) = PackReader.ReadLanguage(Repository.Corpus, language);
            var generator = new DocumentGenerator(shared, packs, seed: 5);
            for (var i = 0; i < 100; i++)
            {
                yield return generator.Next();
            }
        }
    }
}
