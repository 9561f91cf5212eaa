using System.Security.Cryptography;
using System.Text;
using Batch.Inference.Engine;

namespace Batch.Jobs.Runs;

/// <summary>
/// Checkpoints as bytes: a version, SHA-256 of what follows, then the runs, one for a job, one for each line of a slice. Whatever is not exactly
/// that — of another version, cut off, changed — is no checkpoint, and what it was of begins anew.
/// </summary>
internal static class CheckpointFormat
{
    private const int Version = 0x01504342; // "BCP", 1
    private const int HeaderLength = sizeof(int) + SHA256.HashSizeInBytes;

    public static BinaryData Write(IReadOnlyList<RunCheckpoint> runs)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.Write(Version);
        writer.Write(new byte[SHA256.HashSizeInBytes]);
        writer.Write(runs.Count);
        foreach (var run in runs)
        {
            Write(writer, run);
        }

        var bytes = stream.GetBuffer().AsMemory(0, (int)stream.Length);
        SHA256.HashData(bytes.Span[HeaderLength..], bytes.Span[sizeof(int)..]);
        return BinaryData.FromBytes(bytes);
    }

    /// <summary>Null when the bytes are no checkpoint of this version.</summary>
    public static IReadOnlyList<RunCheckpoint>? Read(BinaryData content)
    {
        var bytes = content.ToMemory();
        if (bytes.Length < HeaderLength || BitConverter.ToInt32(bytes.Span) != Version
            || !SHA256.HashData(bytes.Span[HeaderLength..]).AsSpan().SequenceEqual(bytes.Span[sizeof(int)..HeaderLength]))
        {
            return null;
        }

        using var reader = new BinaryReader(content.ToStream(), Encoding.UTF8);
        reader.ReadBytes(HeaderLength);
        var runs = new RunCheckpoint[reader.ReadInt32()];
        for (var i = 0; i < runs.Length; i++)
        {
            runs[i] = ReadRun(reader);
        }

        return runs;
    }

    private static void Write(BinaryWriter writer, RunCheckpoint run)
    {
        writer.Write(run.Identity);
        writer.Write(run.Text);
        writer.Write(run.CompletionTokens);
        writer.Write(run.Choices.Count);
        foreach (var choice in run.Choices)
        {
            writer.Write(choice.CachedTokens);
            writer.Write(choice.PromptLogprobs?.Count ?? -1);
            foreach (var token in choice.PromptLogprobs ?? [])
            {
                Write(writer, token);
            }

            // Most texts have neither entropies nor log probabilities.
            var (entropies, logprobs) = (choice.Drawn.Any(drawn => drawn.Entropy != 0), choice.Drawn is [{ Logprobs: not null }, ..]);
            writer.Write(choice.Drawn.Count);
            writer.Write(entropies);
            writer.Write(logprobs);
            foreach (var drawn in choice.Drawn)
            {
                writer.Write(drawn.Id);
                if (entropies)
                {
                    writer.Write(drawn.Entropy);
                }

                if (logprobs)
                {
                    Write(writer, drawn.Logprobs!);
                }
            }
        }
    }

    private static void Write(BinaryWriter writer, TokenLogprobs token)
    {
        writer.Write(token.TokenId);
        writer.Write(token.Logprob);
        writer.Write(token.Rank);
        writer.Write((byte)token.Top.Count);
        foreach (var top in token.Top)
        {
            writer.Write(top.TokenId);
            writer.Write(top.Logprob);
        }
    }

    private static RunCheckpoint ReadRun(BinaryReader reader)
    {
        var (identity, text, tokens) = (reader.ReadString(), reader.ReadString(), reader.ReadInt32());
        var choices = new GenerationCheckpoint[reader.ReadInt32()];
        for (var i = 0; i < choices.Length; i++)
        {
            choices[i] = ReadChoice(reader);
        }

        return new RunCheckpoint(identity, text, tokens, choices);
    }

    private static GenerationCheckpoint ReadChoice(BinaryReader reader)
    {
        var cached = reader.ReadInt32();
        var prompt = reader.ReadInt32() is >= 0 and var scored ? ReadAll(scored, () => ReadToken(reader)) : null;
        var (count, entropies, logprobs) = (reader.ReadInt32(), reader.ReadBoolean(), reader.ReadBoolean());
        var drawn = ReadAll(count, () => new DrawnToken(reader.ReadInt32(), entropies ? reader.ReadDouble() : 0, logprobs ? ReadToken(reader) : null));
        return new GenerationCheckpoint(drawn) { CachedTokens = cached, PromptLogprobs = prompt };
    }

    private static TokenLogprobs ReadToken(BinaryReader reader) => new(
        reader.ReadInt32(), reader.ReadSingle(), reader.ReadInt32(), ReadAll(reader.ReadByte(), () => new TokenLogprob(reader.ReadInt32(), reader.ReadSingle())));

    private static T[] ReadAll<T>(int count, Func<T> read)
    {
        var all = new T[count];
        for (var i = 0; i < count; i++)
        {
            all[i] = read();
        }

        return all;
    }
}
