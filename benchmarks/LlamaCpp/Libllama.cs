using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Batch.Benchmarks.LlamaCpp;

/// <summary>The part of llama.cpp's C API (llama.h) that is called here, with its structs laid out as in <see cref="LlamaCppPackage.Release"/>.</summary>
internal static unsafe partial class Libllama
{
    public const int TypeF32 = 0; // enum ggml_type
    public const int PoolingNone = 0; // enum llama_pooling_type
    public const int FlashAttentionDisabled = 0; // enum llama_flash_attn_type

    private static readonly Lazy<bool> Loaded = new(Load);

    /// <summary>Loads the libraries and the processor's best backend, once; checks that they are the release that the layouts belong to.</summary>
    public static void EnsureLoaded() => _ = Loaded.Value;

    private static bool Load()
    {
        var folder = LlamaCppPackage.Install();
        NativeLibrary.SetDllImportResolver(Assembly.GetExecutingAssembly(), (name, _, _) =>
            name is "llama" or "ggml" ? NativeLibrary.Load(Path.Combine(folder, $"lib{name}.v{LlamaCppPackage.Release}.so")) : 0);
        var release = Marshal.PtrToStringUTF8(llama_version());
        if (release?.StartsWith(LlamaCppPackage.Release, StringComparison.Ordinal) != true) // the package's build calls itself 0.5.0-dev
        {
            throw new InvalidOperationException($"{folder}: llama.cpp {release} was found, {LlamaCppPackage.Release} is bound");
        }
        llama_log_set(&IgnoreLog, null);
        ggml_backend_load_all_from_path(folder);
        llama_backend_init();
        var defaults = llama_context_default_params();
        if (defaults is not { n_ctx: 512, n_batch: 2048, rope_scaling_type: -1, yarn_slow: -1, type_k: 1, offload_kqv: 1, samplers: null })
        {
            throw new InvalidOperationException("llama.cpp's default parameters are not where the bindings expect them");
        }
        return true;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void IgnoreLog(int level, byte* text, void* data)
    {
    }

    [LibraryImport("ggml", StringMarshalling = StringMarshalling.Utf8)]
    private static partial void ggml_backend_load_all_from_path(string folder);

    [LibraryImport("llama")]
    private static partial nint llama_version();

    [LibraryImport("llama")]
    private static partial void llama_backend_init();

    [LibraryImport("llama")]
    private static partial void llama_log_set(delegate* unmanaged[Cdecl]<int, byte*, void*, void> callback, void* data);

    [LibraryImport("llama")]
    public static partial ModelParams llama_model_default_params();

    [LibraryImport("llama")]
    public static partial ContextParams llama_context_default_params();

    [LibraryImport("llama", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint llama_model_load_from_file(string path, ModelParams parameters);

    [LibraryImport("llama")]
    public static partial void llama_model_free(nint model);

    [LibraryImport("llama")]
    public static partial nint llama_model_get_vocab(nint model);

    [LibraryImport("llama")]
    public static partial int llama_vocab_n_tokens(nint vocabulary);

    [LibraryImport("llama")]
    public static partial nint llama_init_from_model(nint model, ContextParams parameters);

    [LibraryImport("llama")]
    public static partial void llama_free(nint context);

    [LibraryImport("llama")]
    public static partial int llama_decode(nint context, Batch batch);

    [LibraryImport("llama")]
    public static partial float* llama_get_logits_ith(nint context, int row);

    [LibraryImport("llama")]
    public static partial float* llama_get_embeddings_ith(nint context, int row);

    [LibraryImport("llama")]
    public static partial int llama_model_n_embd(nint model);

    [LibraryImport("llama")]
    public static partial nint llama_get_memory(nint context);

    [LibraryImport("llama")]
    public static partial void llama_memory_clear(nint memory, [MarshalAs(UnmanagedType.U1)] bool data);

    /// <summary>struct llama_batch</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Batch
    {
        public int n_tokens;
        public int* token;
        public float* embd;
        public int* pos;
        public int* n_seq_id;
        public int** seq_id;
        public sbyte* logits;
    }

    /// <summary>struct llama_model_params</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ModelParams
    {
        public void* devices, tensor_buft_overrides;
        public int n_gpu_layers, split_mode, load_mode, lazy_mode, main_gpu;
        public float* tensor_split;
        public void* progress_callback, progress_callback_user_data, kv_overrides;
        public byte vocab_only, check_tensors, use_extra_bufts, no_host, no_alloc, load_mtp;
    }

    /// <summary>struct llama_context_params</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct ContextParams
    {
        public uint n_ctx, n_batch, n_ubatch, n_seq_max, n_rs_seq, n_outputs_max, n_outputs_max_per_seq;
        public int n_threads, n_threads_batch;
        public int ctx_type, rope_scaling_type, pooling_type, attention_type, flash_attn_type;
        public float rope_freq_base, rope_freq_scale, yarn_ext_factor, yarn_attn_factor, yarn_fast, yarn_slow;
        public uint yarn_orig_ctx;
        public float defrag_thold;
        public void* cb_eval, cb_eval_user_data;
        public int type_k, type_v;
        public void* abort_callback, abort_callback_data;
        public byte embeddings, offload_kqv, no_perf, op_offload, swa_full, kv_unified;
        public void* samplers;
        public nuint n_samplers;
        public void* ctx_other;
    }
}
