using System.Text.Json;
using System.Text.Json.Serialization;
using Batch.Jobs.Runs;

namespace Batch.Jobs.Tests;

public sealed class CheckpointFormatTests
{
    private static readonly JsonSerializerOptions Exact = new() { NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    private static readonly IReadOnlyList<RunCheckpoint> Runs =
    [
        new("identity", "text 文字 🌊", 5, [
            new([new(1, 0, null), new(2, 0, null)]) { CachedTokens = 7 },
            new([new(3, double.NaN, null), new(4, 0.1, null), new(4, 2, null)]),
        ]),
        new("scored", "", 1, [new([new(9, 0, new(9, -0.5f, 1, [new(9, -0.5f), new(8, float.NegativeInfinity)]))]) { PromptLogprobs = [new(4, -1, 2, [])] }]),
        RunCheckpoint.None,
    ];

    [Fact]
    public void Read_GivesWhatWasWritten() =>
        Assert.Equal(JsonSerializer.Serialize(Runs, Exact), JsonSerializer.Serialize(CheckpointFormat.Read(CheckpointFormat.Write(Runs)), Exact));

    [Fact]
    public void Read_GivesNothing_WhenAnythingIsMissingOrChanged()
    {
        var whole = CheckpointFormat.Write(Runs).ToArray();

        for (var i = 0; i < whole.Length; i++)
        {
            var changed = whole.ToArray();
            changed[i] ^= 0x10;
            Assert.Null(CheckpointFormat.Read(BinaryData.FromBytes(changed)));
            Assert.Null(CheckpointFormat.Read(BinaryData.FromBytes(whole[..i])));
        }

        Assert.Null(CheckpointFormat.Read(BinaryData.FromBytes([.. whole, 0])));
    }
}
