namespace Batch.ModelTrainer.Training;

/// <summary>
/// Warm-up, a plateau, and a linear fall over the last part of the run. Until the fall begins, the rate does not depend on the
/// number of steps: a run can be made longer or shorter while it trains.
/// </summary>
internal sealed record LearningRate(double Peak, int Steps, int WarmUp = 100, double Fall = 0.45, double Last = 0.03)
{
    public double At(int step)
    {
        if (step < WarmUp)
        {
            return Peak * (step + 1) / WarmUp;
        }
        var left = (Steps - step) / (Steps * Fall);
        return Peak * Math.Min(1, Last + (1 - Last) * left);
    }
}
