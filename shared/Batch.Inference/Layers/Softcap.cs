using static TorchSharp.torch;

namespace Batch.Inference.Layers;

/// <summary>cap tanh(x / cap): bounds logits smoothly to ±cap (Gemma 2).</summary>
internal static class Softcap
{
    /// <summary>Each row by itself: the framework rounds a tensor's last few elements otherwise than the others, and which those are depends on the number of rows.</summary>
    /// <param name="x">[rows, vocabulary]</param>
    /// <returns>[rows, vocabulary] float32</returns>
    public static Tensor Rows(Tensor x, float cap)
    {
        var y = x.to(ScalarType.Float32, copy: true);
        for (var i = 0L; i < y.shape[0]; i++)
        {
            using var row = y.narrow(0, i, 1);
            row.div_(cap).tanh_().mul_(cap);
        }
        return y;
    }
}
