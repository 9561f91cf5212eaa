using Batch.Inference.Engine;
using Batch.Inference.Engine.StructuredOutput;

namespace Batch.Inference.Tests.Engine.StructuredOutput;

public class TokenConstraintTests
{
    private static readonly WordTokenizer Tokenizer = WordTokenizer.Complete(stripsLeadingSpace: true);

    private static TokenConstraint Create(string regex, bool stripsSpace = false, bool ignoresEndOfText = false) =>
        new(Walks.Compile(new StructuredOutputParams { Regex = regex }, Tokenizer), stripsSpace, ignoresEndOfText);

    private static int Id(string word) => Enumerable.Range(0, Tokenizer.VocabularySize).First(id => System.Text.Encoding.UTF8.GetString(Tokenizer.GetBytes(id)) == word);

    private static HashSet<int> Left(TokenConstraint constraint)
    {
        var logits = new float[Tokenizer.VocabularySize];
        constraint.Mask(logits);
        return [.. Enumerable.Range(0, logits.Length).Where(id => logits[id] == 0f)];
    }

    [Fact]
    public void Mask_LeavesEndOfText_OnlyWhereTheTextMayEnd()
    {
        var constraint = Create("ab?");
        Assert.Equal([Id("a"), Id("ab")], Left(constraint).Order());
        constraint.Accept(Id("a"));
        Assert.Equal([Id("b"), Tokenizer.EndOfText], Left(constraint).Order());
        Assert.False(constraint.IsComplete);
        constraint.Accept(Id("b"));
        Assert.True(constraint.IsComplete);
    }

    [Fact]
    public void Mask_LeavesNoEndOfText_WhenItIsIgnored()
    {
        var constraint = Create("a+", ignoresEndOfText: true);
        constraint.Accept(Id("a"));
        Assert.DoesNotContain(Tokenizer.EndOfText, Left(constraint));
    }

    [Fact]
    public void Rollback_TakesTokensBack_AsIfTheyHadNotCome()
    {
        var constraint = Create("(abc|aba){2}", stripsSpace: true);
        var start = Left(constraint);
        constraint.Accept(Id("ab"));
        var second = Left(constraint);
        constraint.Accept(Id("a"));
        constraint.Accept(Id("abc"));
        Assert.True(constraint.IsComplete);
        constraint.Rollback(2);
        Assert.Equal(second, Left(constraint));
        constraint.Rollback(1);
        Assert.Equal(start, Left(constraint));
    }

    [Fact]
    public void Accept_Throws_WhenTheTokenMayNotFollow()
    {
        var constraint = Create("a");
        Assert.False(constraint.Allows(Id("b")));
        Assert.Throws<InvalidOperationException>(() => constraint.Accept(Id("b")));
        Assert.Throws<InvalidOperationException>(() => constraint.Accept(Tokenizer.EndOfText));
    }

    [Fact]
    public void Mask_CountsTheFirstTokenWithoutItsSpace_WhenDecodingTakesItAway()
    {
        var constraint = Create("the ing", stripsSpace: true);
        Assert.Equal(new[] { Id("the"), Id(" the"), Id("t"), Id(" ") }.Order(), Left(constraint).Order());
        constraint.Accept(Id(" "));
        Assert.Equal(new[] { Id("the"), Id("t") }.Order(), Left(constraint).Order());
        constraint.Rollback(1);
        constraint.Accept(Id(" the"));
        Assert.Equal([Id(" ")], Left(constraint));
    }

    [Fact]
    public void Compile_SharesOneAutomaton_BetweenEqualConstraints()
    {
        var compiler = new ConstraintCompiler(Tokenizer, [Tokenizer.EndOfText]);
        TokenConstraint Compile(string regex) => compiler.Compile(new SamplingParams { StructuredOutputs = new StructuredOutputParams { Regex = regex } }, false);
        var (one, other) = (Compile("a+"), Compile("a+"));
        one.Accept(Id("a"));
        Assert.True(one.MayEnd);
        Assert.False(other.MayEnd);
        Assert.Equal("structured_outputs.regex: '(' is not closed (character 1)", Assert.Throws<GenerationRefusedException>(() => Compile("(")).Message);
    }
}
