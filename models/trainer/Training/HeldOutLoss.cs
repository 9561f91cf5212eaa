using Batch.ModelTrainer.Corpus;
using Batch.ModelTrainer.Model;
using Batch.ModelTrainer.Tokenizer;
using static TorchSharp.torch;

namespace Batch.ModelTrainer.Training;

/// <summary>Measures the loss on held-out documents, in nats a token and in nats a character, which other tokenizers can be compared in.</summary>
internal sealed class HeldOutLoss(HeldOutText text, BpeEncoder encoder, int time)
{
    private readonly long[] _tokens = [.. text.Documents.SelectMany(document => encoder.Encode(document).Select(id => (long)id).Prepend(Vocabulary.EndOfText))];
    private readonly int _characters = text.Documents.Sum(document => document.Length + 1);

    public string Label => text.Label;

    public int Tokens => _tokens.Length;

    public (double PerToken, double PerCharacter) Measure(LlamaModel model)
    {
        using var frozen = no_grad();
        double sum = 0;
        var count = 0;
        for (var at = 0; at + 1 < _tokens.Length; at += time)
        {
            using var scope = NewDisposeScope();
            var length = Math.Min(time, _tokens.Length - 1 - at);
            var ids = tensor(_tokens[at..(at + length)]).unsqueeze(0);
            var targets = tensor(_tokens[(at + 1)..(at + 1 + length)]).unsqueeze(0);
            sum += model.Loss(ids, targets).item<float>() * length;
            count += length;
        }
        return (sum / count, sum / count * _tokens.Length / _characters);
    }
}
