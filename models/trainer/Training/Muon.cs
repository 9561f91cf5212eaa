using static TorchSharp.torch;

namespace Batch.ModelTrainer.Training;

/// <summary>
/// Momentum whose update is made orthogonal, so that every direction of a matrix moves equally far (Jordan et al. 2024). Scaled as
/// Liu et al. 2025 propose, its steps are as large as Adam's, and both take the same learning rate and weight decay.
/// </summary>
internal static class Muon
{
    private const double Momentum = 0.95;

    /// <summary>The direction to move a matrix in; <paramref name="mean"/> is the running mean of its gradients and is brought up to date.</summary>
    public static Tensor Direction(Tensor gradient, Tensor mean)
    {
        mean.mul_(Momentum).add_(gradient, 1 - Momentum);
        var ahead = gradient.mul(1 - Momentum).add_(mean, Momentum);
        return Orthogonalise(ahead) * (0.2 * Math.Sqrt(Math.Max(gradient.shape[0], gradient.shape[1])));
    }

    /// <summary>The nearest matrix with all singular values near one, by five Newton-Schulz steps in bfloat16.</summary>
    private static Tensor Orthogonalise(Tensor matrix)
    {
        const double A = 3.4445, B = -4.7750, C = 2.0315;
        var tall = matrix.shape[0] > matrix.shape[1];
        var x = (tall ? matrix.t() : matrix).to(ScalarType.BFloat16);
        x = x / (x.norm() + 1e-7);
        for (var i = 0; i < 5; i++)
        {
            var gram = x.mm(x.t());
            x = A * x + (B * gram + C * gram.mm(gram)).mm(x);
        }
        return (tall ? x.t() : x).to(ScalarType.Float32);
    }
}
