namespace Batch.Benchmarks.LlamaCpp;

/// <param name="Sequences">Most sequences at once.</param>
/// <param name="ContextLength">Tokens that each of them may have.</param>
/// <param name="HiddenStates">Gives the last layer's output of each row instead of logits, as encoders such as BERT have none.</param>
/// <param name="Exact">For comparing numbers rather than speed: float32 cache, no flash attention. Otherwise llama.cpp's defaults.</param>
internal sealed record LlamaCppOptions(int Sequences, int ContextLength, int Threads, bool Exact = false, bool HiddenStates = false);

/// <summary>A token to compute: where it stands in which sequence, and whether its logits are wanted.</summary>
internal readonly record struct LlamaCppRow(int Token, int Position, int Sequence, bool Logits);

/// <summary>A model that llama.cpp itself runs, on the CPU, through its C API. One thread uses it.</summary>
internal sealed unsafe class LlamaCppModel : IDisposable
{
    private readonly nint _model, _context;

    private LlamaCppModel(nint model, nint context)
    {
        (_model, _context) = (model, context);
        VocabularySize = Libllama.llama_vocab_n_tokens(Libllama.llama_model_get_vocab(model));
    }

    public int VocabularySize { get; }

    public static LlamaCppModel Load(string gguf, LlamaCppOptions options)
    {
        Libllama.EnsureLoaded();
        var parameters = Libllama.llama_model_default_params();
        parameters.n_gpu_layers = 0;
        var model = Libllama.llama_model_load_from_file(gguf, parameters);
        if (model == 0)
        {
            throw new InvalidDataException($"{gguf}: llama.cpp does not load it");
        }
        var settings = Libllama.llama_context_default_params();
        settings.n_seq_max = (uint)options.Sequences;
        settings.n_ctx = (uint)(options.Sequences * options.ContextLength);
        settings.n_batch = Math.Max(settings.n_batch, settings.n_ctx);
        settings.n_outputs_max_per_seq = 0; // no limit
        (settings.n_threads, settings.n_threads_batch) = (options.Threads, options.Threads);
        if (options.Exact)
        {
            (settings.type_k, settings.type_v, settings.flash_attn_type) = (Libllama.TypeF32, Libllama.TypeF32, Libllama.FlashAttentionDisabled);
        }
        if (options.HiddenStates)
        {
            (settings.embeddings, settings.pooling_type, settings.n_ubatch) = (1, Libllama.PoolingNone, settings.n_batch);
        }
        var context = Libllama.llama_init_from_model(model, settings);
        if (context == 0)
        {
            Libllama.llama_model_free(model);
            throw new InvalidOperationException($"{gguf}: llama.cpp makes no context of {options}");
        }
        return new LlamaCppModel(model, context);
    }

    /// <summary>Computes the rows after what the sequences hold already.</summary>
    public void Decode(IReadOnlyList<LlamaCppRow> rows)
    {
        var (tokens, positions, counts, sequences, wanted) = (new int[rows.Count], new int[rows.Count], new int[rows.Count], new int[rows.Count], new sbyte[rows.Count]);
        for (var i = 0; i < rows.Count; i++)
        {
            (tokens[i], positions[i], counts[i], sequences[i], wanted[i]) = (rows[i].Token, rows[i].Position, 1, rows[i].Sequence, (sbyte)(rows[i].Logits ? 1 : 0));
        }
        var lists = new int*[rows.Count];
        fixed (int* token = tokens, position = positions, count = counts, sequence = sequences)
        fixed (sbyte* logits = wanted)
        fixed (int** list = lists)
        {
            for (var i = 0; i < rows.Count; i++)
            {
                list[i] = sequence + i;
            }
            var result = Libllama.llama_decode(_context, new Libllama.Batch { n_tokens = rows.Count, token = token, pos = position, n_seq_id = count, seq_id = list, logits = logits });
            if (result != 0)
            {
                throw new InvalidOperationException($"llama_decode of {rows.Count} rows ended with {result}");
            }
        }
    }

    /// <summary>Logits of a row of the last <see cref="Decode"/> that wanted them; valid until the next.</summary>
    public ReadOnlySpan<float> Logits(int row)
    {
        var logits = Libllama.llama_get_logits_ith(_context, row);
        return logits == null ? throw new ArgumentException($"row {row} has no logits") : new ReadOnlySpan<float>(logits, VocabularySize);
    }

    /// <summary>The last layer's output for a row of the last <see cref="Decode"/>; valid until the next.</summary>
    public ReadOnlySpan<float> HiddenState(int row)
    {
        var hidden = Libllama.llama_get_embeddings_ith(_context, row);
        return hidden == null ? throw new ArgumentException($"row {row} has no hidden state") : new ReadOnlySpan<float>(hidden, Libllama.llama_model_n_embd(_model));
    }

    /// <summary>Forgets all sequences.</summary>
    public void Clear() => Libllama.llama_memory_clear(Libllama.llama_get_memory(_context), data: false);

    public void Dispose()
    {
        Libllama.llama_free(_context);
        Libllama.llama_model_free(_model);
    }
}
