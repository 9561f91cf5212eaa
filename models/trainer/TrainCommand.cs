using System.Globalization;
using Batch.ModelTrainer.Corpus;
using Batch.ModelTrainer.Model;
using Batch.ModelTrainer.Tokenizer;
using Batch.ModelTrainer.Training;
using static TorchSharp.torch;

namespace Batch.ModelTrainer;

internal sealed record TrainOptions(string Corpus, string? Prose, string Run, string Out)
{
    public int Steps { get; init; } = 6000;
    public int Batch { get; init; } = 16;
    public int Time { get; init; } = 256;
    public double Rate { get; init; } = 2e-3;
    public int Seed { get; init; } = 1;
    public int Vocabulary { get; init; } = 6144;
    public int Hidden { get; init; } = 256;
    public int Layers { get; init; } = 4;
    public int StopAfter { get; init; } = int.MaxValue;
    public string[] Prompts { get; init; } = [];
}

/// <summary>
/// Tokenizer, token stream, training, export: each step leaves a file in the run folder and is skipped where the file is there,
/// so that the same command line goes on after a stop.
/// </summary>
internal sealed class TrainCommand(TrainOptions options, TimeProvider time, TextWriter log)
{
    private const int LogEvery = 50, MeasureEvery = 500;
    private static readonly TimeSpan SaveEvery = TimeSpan.FromMinutes(1);

    public void Execute()
    {
        Directory.CreateDirectory(options.Run);
        var corpus = CorpusText.Open(options.Corpus, options.Prose, options.Seed);
        var vocabulary = Tokenizer(corpus);
        var encoder = new BpeEncoder(vocabulary);
        var stream = Stream(corpus, encoder);

        var config = new LlamaConfig(vocabulary.Count, options.Hidden, options.Hidden * 11 / 4, options.Layers, options.Hidden / 64, Math.Max(1, options.Hidden / 128));
        using var model = LlamaModel.Initialise(config, options.Seed, ScalarType.BFloat16);
        using var optimizer = new Optimizer(model.Weights);
        var plan = new TrainingPlan(options.Steps, options.Batch, options.Time, new LearningRate(options.Rate, options.Steps));
        var run = new TrainingRun(model, optimizer, stream, plan, time);
        if (File.Exists(CheckpointFile))
        {
            run.Resume(CheckpointFile);
        }
        log.WriteLine($"{config.Parameters:n0} parameters, {stream.Length:n0} tokens of text, step {run.Step} of {options.Steps}");

        var heldOut = corpus.HeldOut.Select(text => new HeldOutLoss(text, encoder, options.Time)).ToArray();
        Train(run, model, encoder, heldOut);
        run.Save(CheckpointFile);
        Measure(run, model, encoder, heldOut);
        ModelFolder.Write(options.Out, model, vocabulary);
        log.WriteLine($"wrote {options.Out} after {run.TokensSeen:n0} tokens and {run.Seconds / 60:f1} minutes of training");
    }

    private string CheckpointFile => Path.Combine(options.Run, "checkpoint.safetensors");

    private Vocabulary Tokenizer(CorpusText corpus)
    {
        const int SampleCharacters = 8_000_000;
        var file = Path.Combine(options.Run, "tokenizer.json");
        if (!File.Exists(file))
        {
            // Sources are balanced by bytes here, because there are no tokens yet to count.
            var characters = 0;
            var sample = corpus.Documents(System.Text.Encoding.UTF8.GetByteCount).TakeWhile(text => (characters += text.Length) < SampleCharacters);
            TokenizerJson.Write(file, BpeTrainer.Train(sample, options.Vocabulary));
            log.WriteLine($"trained the tokenizer on {characters:n0} characters");
        }
        return TokenizerJson.Read(file);
    }

    private TokenStream Stream(CorpusText corpus, BpeEncoder encoder)
    {
        var file = Path.Combine(options.Run, "tokens.bin");
        if (!File.Exists(file))
        {
            TokenStream.Draw(corpus, encoder, (int)((long)options.Steps * options.Batch * options.Time * 6 / 5)).Write(file);
        }
        return TokenStream.Read(file);
    }

    private void Train(TrainingRun run, LlamaModel model, BpeEncoder encoder, HeldOutLoss[] heldOut)
    {
        var (loss, saved, started, startTokens) = (0.0, time.GetTimestamp(), time.GetTimestamp(), run.TokensSeen);
        var until = (int)Math.Min(int.MaxValue, (long)run.Step + options.StopAfter);
        while (!run.Finished && run.Step < until)
        {
            var result = run.Next();
            loss += result.Loss / LogEvery;
            if (run.Step % LogEvery == 0)
            {
                var speed = (run.TokensSeen - startTokens) / time.GetElapsedTime(started).TotalSeconds;
                log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{result} mean {loss:f3} tokens {run.TokensSeen} {speed:f0}/s"));
                log.Flush();
                loss = 0;
            }
            if (run.Step % MeasureEvery == 0)
            {
                Measure(run, model, encoder, heldOut);
            }
            if (time.GetElapsedTime(saved) > SaveEvery)
            {
                run.Save(CheckpointFile);
                saved = time.GetTimestamp();
            }
        }
    }

    private void Measure(TrainingRun run, LlamaModel model, BpeEncoder encoder, HeldOutLoss[] heldOut)
    {
        foreach (var text in heldOut)
        {
            var (perToken, perCharacter) = text.Measure(model);
            log.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"held out at {run.Step}: {text.Label}: {perToken:f3} nats a token, {perCharacter:f3} a character ({text.Tokens} tokens)"));
        }
        var sampler = new TextSampler(model, encoder, new SampleSettings(MaxTokens: 80));
        foreach (var prompt in options.Prompts)
        {
            log.WriteLine($"  {prompt}>>>{sampler.Continue(prompt, options.Seed).ReplaceLineEndings(" / ")}");
        }
        log.Flush();
    }
}
