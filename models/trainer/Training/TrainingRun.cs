using System.Globalization;
using Batch.ModelTrainer.Model;
using static TorchSharp.torch;

namespace Batch.ModelTrainer.Training;

/// <summary>How long and in what portions to train. The last tenth of the steps sees windows of twice the length, half as many.</summary>
internal sealed record TrainingPlan(int Steps, int Batch, int Time, LearningRate Rate)
{
    public (int Batch, int Time) Windows(int step) => step >= Steps - Steps / 10 ? (Batch / 2, Time * 2) : (Batch, Time);
}

/// <summary>One run: takes windows from the stream, steps the optimizer, and can stop and go on at any step with the same result.</summary>
internal sealed class TrainingRun(LlamaModel model, Optimizer optimizer, TokenStream stream, TrainingPlan plan, TimeProvider time)
{
    private readonly long _started = time.GetTimestamp();
    private Checkpoint _from = Checkpoint.Start;

    public int Step { get; private set; }

    public long TokensSeen { get; private set; }

    public double Seconds => _from.Seconds + time.GetElapsedTime(_started).TotalSeconds;

    public bool Finished => Step >= plan.Steps;

    public void Resume(string checkpoint)
    {
        _from = Checkpoint.Read(checkpoint, model, optimizer);
        (Step, stream.Position, TokensSeen) = (_from.Step, _from.Position, _from.TokensSeen);
    }

    public void Save(string checkpoint) => new Checkpoint(Step, stream.Position, TokensSeen, Seconds).Write(checkpoint, model, optimizer);

    /// <summary>One step over one batch of windows.</summary>
    public StepResult Next()
    {
        using var scope = NewDisposeScope();
        var (batch, length) = plan.Windows(Step);
        var windows = stream.Windows(batch, length);
        var ids = tensor(InputNoise.Disturb(windows, seed: Step)).view(batch, length + 1).narrow(1, 0, length);
        var targets = tensor(windows).view(batch, length + 1).narrow(1, 1, length);
        var loss = model.Loss(ids, targets);
        loss.backward();
        var rate = plan.Rate.At(Step);
        Step++;
        TokensSeen += batch * length;
        return new StepResult(Step, loss.item<float>(), optimizer.Step(Step, rate), rate);
    }
}

/// <summary>What one step did: its loss in nats a token, the gradients' norm before clipping, the learning rate.</summary>
internal sealed record StepResult(int Step, float Loss, double Norm, double Rate)
{
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"step {Step} loss {Loss:f3} norm {Norm:f2} rate {Rate:e2}");
}
