using Google.Protobuf;

namespace Batch.Inference.Tokenizers;

/// <summary>How sentencepiece uses a piece; the values of its protobuf.</summary>
internal enum PieceType
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>The fields of a tokenizer.model that encoding needs (sentencepiece_model.proto).</summary>
internal sealed class SentencePieceFile
{
    private const int Bpe = 2;

    private SentencePieceFile()
    {
    }

    public List<(string Text, float Score, PieceType Type)> Pieces { get; } = [];

    public int ModelType { get; private set; } = 1;

    public bool IsBpe => ModelType == Bpe;

    public bool ByteFallback { get; private set; }

    public int BosId { get; private set; } = 1;

    public int EosId { get; private set; } = 2;

    public bool AddDummyPrefix { get; private set; } = true;

    public bool RemoveExtraWhitespaces { get; private set; } = true;

    public bool EscapeWhitespaces { get; private set; } = true;

    public bool SuffixWhitespace { get; private set; }

    /// <summary>Name of a normalization with a character map, or null where text stays as it is.</summary>
    public string? CharacterMap { get; private set; }

    public static SentencePieceFile Read(string file)
    {
        var read = new SentencePieceFile();
        try
        {
            Fields(File.ReadAllBytes(file), read.ReadModel);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new InvalidDataException($"{file}: not a sentencepiece model: {e.Message}", e);
        }
        return read.Pieces.Count > 0 ? read : throw new InvalidDataException($"{file}: a sentencepiece model without pieces");
    }

    private static void Fields(byte[] message, Action<int, CodedInputStream> read)
    {
        var input = new CodedInputStream(message);
        while (input.ReadTag() is not 0 and var tag)
        {
            var position = input.Position;
            read(WireFormat.GetTagFieldNumber(tag), input);
            if (input.Position == position)
            {
                input.SkipLastField();
            }
        }
    }

    private void ReadModel(int field, CodedInputStream input)
    {
        switch (field)
        {
            case 1:
                ReadPiece(input.ReadBytes().ToByteArray());
                break;
            case 2:
                Fields(input.ReadBytes().ToByteArray(), ReadTrainer);
                break;
            case 3:
                ReadNormalizer(input.ReadBytes().ToByteArray());
                break;
        }
    }

    private void ReadPiece(byte[] message)
    {
        var (text, score, type) = ("", 0f, PieceType.Normal);
        Fields(message, (field, input) =>
        {
            switch (field)
            {
                case 1:
                    text = input.ReadString();
                    break;
                case 2:
                    score = input.ReadFloat();
                    break;
                case 3:
                    type = (PieceType)input.ReadEnum();
                    break;
            }
        });
        Pieces.Add((text, score, type));
    }

    private void ReadTrainer(int field, CodedInputStream input)
    {
        switch (field)
        {
            case 3:
                ModelType = input.ReadEnum();
                break;
            case 24:
                SuffixWhitespace = input.ReadBool();
                break;
            case 35:
                ByteFallback = input.ReadBool();
                break;
            case 41:
                BosId = input.ReadInt32();
                break;
            case 42:
                EosId = input.ReadInt32();
                break;
        }
    }

    private void ReadNormalizer(byte[] message)
    {
        var (name, mapped) = ("", false);
        Fields(message, (field, input) =>
        {
            switch (field)
            {
                case 1:
                    name = input.ReadString();
                    break;
                case 2:
                    mapped = input.ReadBytes().Length > 0;
                    break;
                case 3:
                    AddDummyPrefix = input.ReadBool();
                    break;
                case 4:
                    RemoveExtraWhitespaces = input.ReadBool();
                    break;
                case 5:
                    EscapeWhitespaces = input.ReadBool();
                    break;
            }
        });
        CharacterMap = mapped ? name : null;
    }
}
