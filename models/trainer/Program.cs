using System.CommandLine;
using Batch.ModelTrainer;
using Batch.ModelTrainer.Corpus;
using Batch.ModelTrainer.Model;
using Batch.ModelTrainer.Tokenizer;
using Batch.ModelTrainer.Training;
using static TorchSharp.torch;

var corpus = new Option<string>("--corpus") { Description = "Folder of topic packs", DefaultValueFactory = _ => "models/corpus" };
var seed = new Option<int>("--seed") { Description = "The same seed gives the same result", DefaultValueFactory = _ => 1 };
var threads = new Option<int>("--threads") { Description = "Processor threads to compute with", DefaultValueFactory = _ => Environment.ProcessorCount };

var root = new RootCommand("Trains the small language model that Batch ships with.") { Train(), Draw(), Sample() };
return root.Parse(args).Invoke();

Command Train()
{
    var prose = new Option<string?>("--prose") { Description = "Folder of further prose (.txt), mixed in at 36 % of the tokens" };
    var run = new Option<string>("--run") { Description = "Folder for the tokenizer, the tokens and the checkpoint; the command goes on from what it finds there", DefaultValueFactory = _ => ".data/train" };
    var folder = new Option<string>("--out") { Description = "Folder to write the model to", DefaultValueFactory = _ => "models/draft-5m" };
    var steps = new Option<int>("--steps") { Description = "Steps of the whole run", DefaultValueFactory = _ => 6000 };
    var batch = new Option<int>("--batch") { Description = "Windows in a step", DefaultValueFactory = _ => 16 };
    var rate = new Option<double>("--rate") { Description = "Peak learning rate", DefaultValueFactory = _ => 2e-3 };
    var hidden = new Option<int>("--hidden") { Description = "Hidden size, a multiple of 64", DefaultValueFactory = _ => 256 };
    var layers = new Option<int>("--layers") { Description = "Layers", DefaultValueFactory = _ => 4 };
    var stopAfter = new Option<int>("--stop-after") { Description = "Stop after so many steps and write the model as it is", DefaultValueFactory = _ => int.MaxValue };
    var prompts = new Option<string[]>("--prompt") { Description = "Continue this prompt whenever the held-out loss is measured; may be repeated" };
    var command = new Command("train", "Train, or go on training, and write the model folder")
        { corpus, prose, run, folder, steps, batch, rate, hidden, layers, stopAfter, prompts, seed, threads };
    command.SetAction(given =>
    {
        set_num_threads(given.GetValue(threads));
        var options = new TrainOptions(given.GetValue(corpus)!, given.GetValue(prose), given.GetValue(run)!, given.GetValue(folder)!)
        {
            Steps = given.GetValue(steps),
            Batch = given.GetValue(batch),
            Rate = given.GetValue(rate),
            Hidden = given.GetValue(hidden),
            Layers = given.GetValue(layers),
            StopAfter = given.GetValue(stopAfter),
            Prompts = given.GetValue(prompts) ?? [],
            Seed = given.GetValue(seed),
        };
        new TrainCommand(options, TimeProvider.System, Console.Out).Execute();
    });
    return command;
}

Command Draw()
{
    var language = new Option<string>("--language") { Description = "en or zh", DefaultValueFactory = _ => "en" };
    var count = new Option<int>("--count") { Description = "Documents", DefaultValueFactory = _ => 3 };
    var command = new Command("draw", "Print documents drawn from the packs") { corpus, language, count, seed };
    command.SetAction(given =>
    {
        var (shared, packs) = PackReader.ReadLanguage(given.GetValue(corpus)!, given.GetValue(language)!);
        var generator = new DocumentGenerator(shared, packs, given.GetValue(seed));
        for (var i = 0; i < given.GetValue(count); i++)
        {
            Console.WriteLine(generator.Next() + "\n---");
        }
    });
    return command;
}

Command Sample()
{
    var folder = new Argument<string>("folder") { Description = "Model folder" };
    var prompt = new Option<string[]>("--prompt") { Description = "Text to continue; may be repeated" };
    var maxTokens = new Option<int>("--max-tokens") { DefaultValueFactory = _ => 120 };
    var temperature = new Option<float>("--temperature") { DefaultValueFactory = _ => 0.6f };
    var topP = new Option<float>("--top-p") { DefaultValueFactory = _ => 0.8f };
    var penalty = new Option<float>("--repetition-penalty") { DefaultValueFactory = _ => 1.05f };
    var command = new Command("sample", "Continue prompts with a trained model") { folder, prompt, maxTokens, temperature, topP, penalty, seed, threads };
    command.SetAction(given =>
    {
        set_num_threads(given.GetValue(threads));
        var (model, vocabulary) = ModelFolder.Read(given.GetValue(folder)!);
        var settings = new SampleSettings(given.GetValue(maxTokens), given.GetValue(temperature), given.GetValue(topP), given.GetValue(penalty));
        var sampler = new TextSampler(model, new BpeEncoder(vocabulary), settings);
        foreach (var text in given.GetValue(prompt) ?? [])
        {
            Console.WriteLine($"{text}>>>{sampler.Continue(text, given.GetValue(seed))}\n---");
        }
        model.Dispose();
    });
    return command;
}
