namespace Batch.ModelTrainer.Corpus;

/// <summary>The sentence frames of one topic, as models/corpus/README.md describes them. Every slot that a frame names is defined.</summary>
internal sealed record Pack(
    string Topic,
    IReadOnlyDictionary<string, string[]> Slots,
    string[] Titles,
    string[] Opens,
    string[] Bodies,
    string[] Closes,
    string[] Prose);

/// <summary>What every pack of one language shares: given names by gender, the other global slots, and requests that name a topic.</summary>
internal sealed record SharedLists(
    bool Chinese,
    string[] FemaleNames,
    string[] MaleNames,
    IReadOnlyDictionary<string, string[]> Slots,
    string[] Requests);
