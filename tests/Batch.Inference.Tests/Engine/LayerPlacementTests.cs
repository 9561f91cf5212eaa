using Batch.Inference.Engine;
using Batch.Inference.Weights;
using CsCheck;
using static TorchSharp.torch;

namespace Batch.Inference.Tests.Engine;

/// <summary>One model's layers over several devices; parts of the CPU stand for them.</summary>
public class LayerPlacementTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string> Families => [.. TinyModel.Families];

    [Theory]
    [MemberData(nameof(Families))]
    public async Task GenerateAsync_SameTexts_OnOneDeviceAndSpreadOverTwo(string family)
    {
        using var folder = TinyModel.Create(family);
        var prompts = EngineRuns.Prompts(6);
        var sampling = new SamplingParams { Seed = 5, MaxTokens = 20 };
        await using var one = folder.Engine();
        await using var two = folder.Engine(o => o.Device = "cpu:0+cpu:1");

        var expected = await Task.WhenAll(prompts.Select((p, i) => one.RunAsync($"{i}", p, sampling, Token)));
        var texts = await Task.WhenAll(prompts.Select((p, i) => two.RunAsync($"{i}", p, sampling, Token)));

        Assert.Equal(expected, texts);
        Assert.Equal("cpu+cpu", two.Model.Device);
    }

    [Fact]
    public void Spread_GivesEachDeviceConsecutiveLayers_OneAtLeast()
    {
        var cases = Gen.Select(Gen.Int[1, 6].SelectMany(devices => Gen.Long[1, 100].Array[devices]), Gen.Int[6, 40], Gen.Long[0, 400]);
        cases.Sample((rooms, layers, rest) =>
        {
            var bytes = Enumerable.Range(0, layers).ToDictionary(i => $"model.layers.{i}.mlp.up_proj.weight", _ => 10L);
            bytes["model.embed_tokens.weight"] = rest;
            Device[] devices = [.. rooms.Select((_, i) => new Device(TorchSharp.DeviceType.CPU, i))];

            var placement = LayerPlacement.Spread([.. rooms.Select((room, i) => new DeviceRoom(devices[i], room))], bytes);

            var of = Enumerable.Range(0, layers).Select(i => placement.Of($"model.layers.{i}.self_attn.q_proj.weight").index).ToArray();
            Assert.Equal(of.Order(), of);
            Assert.Equal(rooms.Length, of.Distinct().Count());
            Assert.Equal(devices[^1], placement.Of("model.embed_tokens.weight"));
            Assert.Equal(devices[^1], placement.Of("lm_head.weight"));
            Assert.Equal(layers, rooms.Select((_, i) => placement.LayersOn(i, layers)).Sum());
        }, iter: 300);
    }

    [Theory]
    [InlineData(0, new long[] { 1, 1 }, new[] { 4, 4 })]
    [InlineData(0, new long[] { 1, 3 }, new[] { 2, 6 })]
    [InlineData(80, new long[] { 1, 1 }, new[] { 7, 1 })] // the rest alone is the last device's share
    [InlineData(80, new long[] { 1, 3 }, new[] { 4, 4 })]
    [InlineData(0, new long[] { 1, 2, 1 }, new[] { 2, 4, 2 })]
    public void Spread_CountsWhatBelongsToNoLayer_AgainstTheLast(long rest, long[] rooms, int[] layers)
    {
        var bytes = Enumerable.Range(0, 8).ToDictionary(i => $"transformer.h.{i}.mlp.c_fc.weight", _ => 10L);
        bytes["transformer.wte.weight"] = rest;

        var placement = LayerPlacement.Spread([.. rooms.Select(room => new DeviceRoom(CPU, room))], bytes);

        Assert.Equal(layers, rooms.Select((_, i) => placement.LayersOn(i, 8)));
    }

    [Fact]
    public void Load_RefusesWhatCannotBeSpread()
    {
        using var folder = TinyModel.Create("llama");
        string Error(string device) => Assert.ThrowsAny<Exception>(() => folder.Engine(o => o.Device = device)).Message;

        Assert.Contains("over 3 devices, and it has 2 layers", Error("cpu:0+cpu:1+cpu:2"), StringComparison.Ordinal);
        Assert.Contains("each device once", Assert.Throws<ArgumentException>(() => LlmEngine.Load(new EngineOptions { ModelPath = folder.Path, Device = "cpu:0+cpu:1,cpu:1" })).Message, StringComparison.Ordinal);
        Assert.Equal(["cpu:0+cpu:1", "cpu:2+cpu:3"], Devices.Split("cpu:0+cpu:1, cpu:2+cpu:3"));
    }
}
