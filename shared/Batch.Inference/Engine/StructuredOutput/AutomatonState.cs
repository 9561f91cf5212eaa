namespace Batch.Inference.Engine.StructuredOutput;

/// <summary>
/// Where a rule was called from: the states that follow when it ends. Calls of one rule from one place in the text and one nesting share a frame, so that
/// ambiguous schemas do not multiply stacks.
/// </summary>
internal sealed class Frame(int id, int nesting, Item[] callers)
{
    public int Id => id;

    /// <summary>JSON containers that are open inside.</summary>
    public int Nesting => nesting;

    /// <summary>The states after the call, in the callers' own frames; none for the root rule.</summary>
    public Item[] Callers => callers;
}

/// <summary>A state of the grammar within a frame.</summary>
internal readonly record struct Item(Frame Frame, int State) : IComparable<Item>
{
    public int CompareTo(Item other) => Frame.Id != other.Frame.Id ? Frame.Id.CompareTo(other.Frame.Id) : State.CompareTo(other.State);
}

/// <summary>All that the text so far may still become: items in order. Its transitions and its mask are filled in when first asked for.</summary>
internal sealed class AutomatonState(Item[] items, bool accepts, bool continues, int safeRun, int classes)
{
    private readonly int _classes = classes;

    public Item[] Items => items;

    /// <summary>The text may end here.</summary>
    public bool Accepts => accepts;

    /// <summary>The text may go on here.</summary>
    public bool Continues => continues;

    /// <summary>So many characters that a JSON string holds unescaped may follow, whichever they are.</summary>
    public int SafeRun => safeRun;

    /// <summary>[byte class] null where it is not known yet.</summary>
    public AutomatonState?[] Next { get; private set; } = new AutomatonState?[classes];

    public TokenMask? Mask { get; set; }

    /// <summary>Roughly, without the mask.</summary>
    public int Bytes => 96 + 8 * _classes + 16 * items.Length;

    /// <summary>Lets go of what can be computed again.</summary>
    public void Forget() => (Next, Mask) = (new AutomatonState?[_classes], null);
}
