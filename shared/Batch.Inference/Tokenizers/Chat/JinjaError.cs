namespace Batch.Inference.Tokenizers.Chat;

/// <summary>A template that cannot be read or run.</summary>
internal static class JinjaError
{
    public static InvalidDataException At(int line, string problem) => new($"chat template, line {line}: {problem}");
}
