using Batch.Inference.Tokenizers;
using Batch.Inference.Tokenizers.Chat;

namespace Batch.Inference.Tests.Tokenizers.Chat;

/// <summary>The shapes that published templates have, and the text that each family's model was trained on.</summary>
public sealed class ChatTemplateTests
{
    private const string ChatMl = """
        {% for message in messages %}
        {{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}
        {%- endfor %}
        {%- if add_generation_prompt %}
        {{- '<|im_start|>assistant\n' }}
        {%- endif %}
        """;

    private const string Llama3 = """
        {%- for message in messages %}
            {%- set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' %}
            {%- if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}
            {{- content }}
        {%- endfor %}
        {%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}
        """;

    private const string Gemma = """
        {{ bos_token }}
        {%- if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
        {%- for message in messages %}
            {%- if (message.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}
            {%- set role = 'model' if message.role == 'assistant' else message.role %}
            {{- '<start_of_turn>' ~ role ~ '\n' ~ message.content | trim ~ '<end_of_turn>\n' }}
        {%- endfor %}
        {%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}
        """;

    private const string Mistral = """
        {%- if messages[0]["role"] == "system" %}
            {%- set system_message = messages[0]["content"] %}
            {%- set loop_messages = messages[1:] %}
        {%- else %}
            {%- set loop_messages = messages %}
        {%- endif %}
        {%- set users = loop_messages | selectattr("role", "equalto", "user") | list %}
        {{- bos_token }}
        {%- for message in loop_messages %}
            {%- if message.role == "user" %}
                {%- if system_message is defined and message == users[-1] %}
                    {{- "[INST] " + system_message + "\n\n" + message.content + "[/INST]" }}
                {%- else %}
                    {{- "[INST] " + message.content + "[/INST]" }}
                {%- endif %}
            {%- else %}
                {{- " " + message.content + eos_token }}
            {%- endif %}
        {%- endfor %}
        """;

    private static readonly ChatMessage[] Conversation =
        [new("user", " What is 1+1? "), new("assistant", "2"), new("user", "And 2+2?")];

    private static readonly ChatMessage[] WithSystem = [new("system", "Be brief."), .. Conversation];

    [Fact]
    public void Render_ChatMl() => Assert.Equal(
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n What is 1+1? <|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n"
        + "<|im_start|>user\nAnd 2+2?<|im_end|>\n<|im_start|>assistant\n",
        ChatTemplate.Render(ChatMl, WithSystem, true, null, null));

    [Fact]
    public void Render_Llama3() => Assert.Equal(
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhat is 1+1?<|eot_id|>"
        + "<|start_header_id|>assistant<|end_header_id|>\n\n2<|eot_id|>"
        + "<|start_header_id|>user<|end_header_id|>\n\nAnd 2+2?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        ChatTemplate.Render(Llama3, Conversation, true, "<|begin_of_text|>", "<|eot_id|>"));

    [Fact]
    public void Render_Gemma() => Assert.Equal(
        "<bos><start_of_turn>user\nWhat is 1+1?<end_of_turn>\n<start_of_turn>model\n2<end_of_turn>\n<start_of_turn>user\nAnd 2+2?<end_of_turn>\n"
        + "<start_of_turn>model\n",
        ChatTemplate.Render(Gemma, Conversation, true, "<bos>", "<eos>"));

    [Fact]
    public void Render_Gemma_RefusesASystemMessage() =>
        Assert.Throws<ArgumentException>(() => ChatTemplate.Render(Gemma, WithSystem, true, "<bos>", "<eos>"));

    [Fact]
    public void Render_Mistral() => Assert.Equal(
        "<s>[INST]  What is 1+1? [/INST] 2</s>[INST] Be brief.\n\nAnd 2+2?[/INST]",
        ChatTemplate.Render(Mistral, WithSystem, true, "<s>", "</s>"));

    [Fact]
    public void Render_LeavesTheGenerationPromptOut_WhenNotAsked() =>
        Assert.EndsWith("And 2+2?<|im_end|>\n", ChatTemplate.Render(ChatMl, Conversation, false, null, null), StringComparison.Ordinal);

    [Fact]
    public void Render_Qwen3_LeavesOutEarlierThoughts()
    {
        var template = HfTokenizer.Load(TestData.Require("tokenizers", "qwen3")).ChatTemplate!;
        ChatMessage[] messages =
            [new("system", "Be brief."), new("user", "1+1?"), new("assistant", "<think>\neasy\n</think>\n\n2"), new("user", "2+2?")];

        Assert.Equal(
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n"
            + "<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n",
            ChatTemplate.Render(template, messages, true, null, "<|im_end|>"));
    }
}
