/** GGUF: what a sound file gives, split files, and one refusal per defect. Files are made by tests/oracle/broken_models.py and tiny_models.py. */
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "harness.h"
#include "must_fail.h"
#include "text/gguf.h"
#include "text/weights.h"
#include "text/weights_private.h"

#define TINY SHN_TESTS_DIR "/golden/tiny"

static const refusal refusals[] = {
    { "add_bos_number", "gguf.key", "'tokenizer.ggml.add_bos_token' is u32, true or false" },
    { "alignment_0", "gguf.header", "'general.alignment': not a power of two f" },
    { "alignment_3", "gguf.header", "'general.alignment': not a power of two f" },
    { "alignment_string", "gguf.key", "'general.alignment' is string, a whole nu" },
    { "architecture_gemma", "gguf.config", "'gemma' is not computed here;" },
    { "architecture_missing", "gguf.config", "'general.architecture' is missing" },
    { "architecture_number", "gguf.key", "'general.architecture' is u32, a string expe" },
    { "array_count_huge", "gguf.header", "'x': 4611686018427387904" },
    { "array_of_arrays", "gguf.header", "'x': an array of arrays i" },
    { "array_past_end", "gguf.header", "the file ends inside x; it is cut" },
    { "array_type_unknown", "gguf.header", "'x': an array of an unkno" },
    { "bert_bias_missing", "weights.tensor", "'blk.0.ffn_up.bias' is missing, a bert mo" },
    { "bert_positions_too_few", "weights.shape", "'position_embd.weight' is [2][32], the confi" },
    { "bert_without_positions", "weights.tensor", "'position_embd.weight' is missing, a bert mo" },
    { "big_endian", "gguf.header", "GGUF version 50331648 (big-endian)" },
    { "bool_of_two", "gguf.key", "'tokenizer.ggml.add_bos_token' is bool, true or fals" },
    { "bos_outside", "gguf.header", "'tokenizer.ggml.bos_token_id': is not a token of th" },
    { "cut_in_counts", "gguf.header", "the file ends inside the counts; i" },
    { "cut_in_data", "gguf.data", "'blk.0.ffn_down.weight': 64 bytes at 480 do n" },
    { "cut_in_key", "gguf.header", "the file ends inside general.archi" },
    { "cut_in_tensor_table", "gguf.header", "the file ends inside blk.0.ffn_gat" },
    { "embedding_missing", "gguf.config", "'token_embd.weight' is missing or no matr" },
    { "empty", "gguf.header", "does not begin with GGUF: not a mo" },
    { "epsilon_missing", "gguf.config", "'llama.attention.layer_norm_rms_epsilon' is missing" },
    { "epsilon_nan", "weights.config", "norm epsilon nan is not between 0" },
    { "experts", "gguf.config", "'llama.expert_count' is 8, only 0 is compu" },
    { "heads_0", "gguf.config", "'llama.attention' is 0" },
    { "heads_not_in_width", "gguf.config", "'llama.attention.key_length' is missing" },
    { "heads_not_shared", "weights.config", "2 attention heads cannot share 3 k" },
    { "heads_per_layer", "gguf.key", "'llama.attention.head_count' is an array of u32, a" },
    { "key_count_huge", "gguf.header", "11 tensors and 1152921504606846976" },
    { "key_name_empty", "gguf.header", "a key's name is empty or holds a N" },
    { "key_name_long", "gguf.header", "a key's name of 1025 bytes, at mos" },
    { "key_name_with_nul", "gguf.header", "a key's name is empty or holds a N" },
    { "key_twice", "gguf.header", "'llama.block_count': stands twice" },
    { "layers_0", "weights.config", "layers is 0, 1 to 512 expected" },
    { "layers_huge", "weights.config", "layers is 2147483648, 1 to 512 exp" },
    { "layers_missing", "gguf.config", "'llama.block_count' is missing" },
    { "layers_negative", "gguf.key", "'llama.block_count' is negative or over 4" },
    { "magic", "gguf.header", "does not begin with GGUF: not a mo" },
    { "not_causal", "gguf.config", "'llama.attention.causal' is false, which this" },
    { "pooling_rank", "gguf.config", "'llama.pooling_type' is 4 (a reranker has" },
    { "rope_base_0", "weights.config", "rope theta 0 is not between 1 and" },
    { "rope_dimensions", "gguf.config", "'llama.rope.dimension_count' is 1, only 2 is compu" },
    { "rope_freqs_negative", "gguf.config", "'rope_freqs.weight': value 0 is not a pos" },
    { "rope_freqs_shape", "gguf.config", "'rope_freqs.weight' is not [1] F32" },
    { "rope_scaling_yarn", "gguf.config", "'llama.rope.scaling.type' is 'yarn'; only the l" },
    { "scores_type", "gguf.key", "'tokenizer.ggml.scores' is an array of u32, a" },
    { "split_without_name", "gguf.split", "is one of 2 parts, but not named N" },
    { "string_length_huge", "gguf.header", "x of 9223372036854775808 bytes, at" },
    { "string_past_end", "gguf.header", "the file ends inside x; it is cut" },
    { "tensor_count_false", "gguf.header", "a tensor's name is empty or holds" },
    { "tensor_count_huge", "gguf.header", "1152921504606846976 tensors and 13" },
    { "tensor_dim_0", "gguf.header", "'blk.0.attn_q.weight': a dim is 0" },
    { "tensor_missing", "weights.tensor", "'blk.0.ffn_up.weight' is missing, a llama m" },
    { "tensor_of_next_layer", "weights.tensor", "'blk.1.ffn_up.weight' has no part in a llam" },
    { "tensor_offset_unaligned", "gguf.header", "'blk.0.ffn_down.weight': offset is not a mult" },
    { "tensor_offset_wraps", "gguf.data", "'blk.0.attn_q.weight': 64 bytes at 18446744" },
    { "tensor_overlaps", "gguf.header", "'blk.0.attn_q.weight': overlaps another ten" },
    { "tensor_past_end", "gguf.data", "'blk.0.attn_q.weight': 64 bytes at 10995116" },
    { "tensor_rank_0", "gguf.header", "'blk.0.attn_q.weight': rank is not 1 to 4" },
    { "tensor_rank_5", "gguf.header", "'blk.0.attn_q.weight': rank is not 1 to 4" },
    { "tensor_rows_not_blocks", "gguf.header", "'blk.0.attn_q.weight': rows of 4 values are" },
    { "tensor_shape", "weights.shape", "'blk.0.ffn_up.weight' is [5][4], the config" },
    { "tensor_shape_overflows", "gguf.header", "'blk.0.attn_q.weight': shape overflows" },
    { "tensor_size_overflows", "gguf.data", "'blk.0.attn_q.weight': 4611686018427387904" },
    { "tensor_transposed", "weights.shape", "'blk.0.attn_k.weight' is [4][2], the config" },
    { "tensor_twice", "gguf.header", "'token_embd.weight': stands twice" },
    { "tensor_type_number", "gguf.header", "'blk.0.attn_q.weight': type number 4 is not" },
    { "tensor_type_q2_k", "gguf.type", "'blk.0.attn_q.weight' is of type Q2_K, whic" },
    { "tensor_unknown", "weights.tensor", "'blk.0.ffn_gate_inp.weight' has no part in a llam" },
    { "token_types_too_few", "gguf.vocab", "'tokenizer.ggml.token_type' has 2 values for 3 to" },
    { "tokens_missing", "gguf.header", "'tokenizer.ggml.tokens': is missing or empty" },
    { "tokens_numbers", "gguf.key", "'tokenizer.ggml.tokens' is an array of u32, a" },
    { "tokens_too_many", "weights.vocab", "4 tokens in tokenizer.ggml.tokens," },
    { "value_length", "gguf.config", "keys of 2 and values of 4 per head" },
    { "value_type_unknown", "gguf.header", "'x': unknown value type" },
    { "version_2", "gguf.header", "GGUF version 2; only 3 is read: co" },
    { "vocab_size", "gguf.config", "'llama.vocab_size' is 4, token_embd.weig" },
    { "width_string", "gguf.key", "'llama.embedding_length' is string, a whole nu" },
};

static shn_status open_bytes(const uint8_t *bytes, size_t n_bytes, shn_weights **out, shn_error *err)
{
    shn_lm_config config;
    shn_source    source;
    *out = NULL;
    const shn_status st = shn_source_gguf_bytes(bytes, n_bytes, &config, &source, err);
    return st == SHN_OK ? shn_weights_from(&config, &source, out, err) : st;
}

static shn_status refuse(const char *name, const uint8_t *bytes, size_t n_bytes, shn_error *err)
{
    (void)name;
    shn_weights     *w;
    shn_status       st = open_bytes(bytes, n_bytes, &w, err);
    assert_true((st == SHN_OK) == (w != NULL));
    shn_weights_close(w);
    /* what only a file can be wrong in: its name */
    if (st == SHN_OK && strcmp(name, "split_without_name") == 0) st = shn_weights_open(SHN_TESTS_DIR "/must_fail/gguf/split_without_name", &w, err);
    return st;
}

static void test_must_fail_corpus(void **state)
{
    (void)state;
    check_refusals("gguf", refusals, sizeof refusals / sizeof *refusals, refuse);
}

static uint8_t *read_corpus(const char *name, size_t *n)
{
    char      path[SHN_PATH_MAX];
    shn_error err = { 0 };
    uint8_t  *bytes;
    snprintf(path, sizeof path, "%s/fuzz/corpus/gguf/%s", SHN_TESTS_DIR, name);
    assert_ok(shn_file_read(path, 1 << 20, &bytes, n, &err));
    return bytes;
}

static void test_header_and_values(void **state)
{
    (void)state;
    shn_error       err = { 0 };
    size_t          n;
    uint8_t        *bytes = read_corpus("llama", &n);
    shn_gguf       *g;
    uint64_t        layers = 7;
    double          eps = 0;
    int             flag = 5;
    shn_gguf_string arch = { 0 };
    assert_ok(shn_gguf_open(bytes, n, &g, &err));
    assert_int_equal(shn_gguf_count(g), 11);
    const shn_gguf_tensor *k = shn_gguf_find(g, "blk.0.attn_k.weight");
    assert_non_null(k);
    assert_int_equal(k->rank, 2);
    assert_int_equal(k->shape[0], 2);           /* rows; the file says 4, 2 */
    assert_int_equal(k->shape[1], 4);
    assert_int_equal(k->n_bytes, 32);
    assert_null(shn_gguf_find(g, "blk.0.attn_k.bias"));
    assert_ok(shn_gguf_uint(g, "llama.block_count", 10, &layers, &err));
    assert_int_equal(layers, 1);
    assert_status(shn_gguf_uint(g, "llama.block_count", 0, &layers, &err), SHN_FORMAT);
    assert_ok(shn_gguf_uint(g, "no.such.key", 10, &layers, &err));
    assert_int_equal(layers, 1);                /* as it was */
    assert_ok(shn_gguf_float(g, "llama.attention.layer_norm_rms_epsilon", &eps, &err));
    assert_near(eps, 1e-5, 1e-12);
    assert_status(shn_gguf_bool(g, "llama.block_count", &flag, &err), SHN_FORMAT);
    assert_ok(shn_gguf_text(g, "general.architecture", &arch, &err));
    assert_int_equal(arch.n, 5);
    assert_memory_equal(arch.bytes, "llama", 5);
    shn_gguf_close(g);
    free(bytes);
}

static void test_vocab(void **state)
{
    (void)state;
    shn_error             err = { 0 };
    size_t                n;
    uint8_t              *bytes = read_corpus("llama", &n);
    shn_weights          *w;
    assert_ok(open_bytes(bytes, n, &w, &err));
    const shn_gguf_vocab *v = shn_weights_vocab(w);
    assert_non_null(v);
    assert_string_equal(v->model, "gpt2");
    assert_null(v->pre);
    assert_int_equal(v->n_tokens, 3);
    assert_int_equal(v->tokens[2].n, 2);
    assert_memory_equal(v->tokens[2].bytes, "ab", 2);
    assert_int_equal(v->n_merges, 1);
    assert_memory_equal(v->merges[0].bytes, "a b", 3);
    assert_int_equal(v->types[2], 1);
    assert_null(v->scores);
    assert_int_equal(v->bos_id, 1);
    assert_int_equal(v->eos_id, -1);
    assert_int_equal(v->add_bos, -1);
    shn_weights_close(w);
    free(bytes);

    bytes = read_corpus("bert", &n);
    assert_ok(open_bytes(bytes, n, &w, &err));
    v = shn_weights_vocab(w);
    assert_string_equal(v->model, "t5");
    assert_near(v->scores[1], -1.5, 0);
    assert_int_equal(v->n_charsmap, 3);
    assert_int_equal(v->charsmap[2], 3);
    assert_int_equal(shn_weights_config(w)->pooling, SHN_LM_POOL_MEAN);
    assert_int_equal(shn_weights_tensor(w, SHN_W_ATTN_Q, 0)->type, SHN_W_Q8_0);
    assert_int_equal(shn_weights_tensor(w, SHN_W_ATTN_Q, 0)->row_bytes, 34);
    assert_null(shn_weights_tensor(w, SHN_W_FFN_GATE, 0));
    shn_weights_close(w);
    free(bytes);
}

/** Wherever a file ends early, it is refused; and wherever memory ends, nothing leaks (seen by sanitizers) and no half-built model comes out. */
static void test_truncations_and_allocations(void **state)
{
    (void)state;
    for (int which = 0; which < 2; which++) {
        size_t   n;
        uint8_t *bytes = read_corpus(which ? "bert" : "llama", &n);
        for (size_t keep = 0; keep < n; keep++) {
            shn_error    err = { 0 };
            shn_weights *w;
            uint8_t     *part = malloc(keep ? keep : 1);
            memcpy(part, bytes, keep);
            if (open_bytes(part, keep, &w, &err) == SHN_OK) {
                /* only the padding after the last tensor may be missing */
                assert_true(n - keep < 32);
                shn_weights_close(w);
            } else assert_true(err.text[0] && !w);
            free(part);
        }
        shn_status st = SHN_NOMEM;
        long       nth = 1;
        for (; st == SHN_NOMEM; nth++) {
            shn_error    err = { 0 };
            shn_weights *w;
            shn_alloc_fail_after(nth);
            st = open_bytes(bytes, n, &w, &err);
            shn_alloc_fail_after(0);
            assert_true((st == SHN_OK) == (w != NULL));
            if (st != SHN_OK) assert_int_equal(st, SHN_NOMEM);
            shn_weights_close(w);
        }
        assert_true(nth > 30);
        free(bytes);
    }
}

static void copy_file(const char *from, const char *folder, const char *name)
{
    char      to[SHN_PATH_MAX];
    shn_error err = { 0 };
    uint8_t  *bytes;
    size_t    n;
    assert_ok(shn_file_read(from, 1 << 20, &bytes, &n, &err));
    snprintf(to, sizeof to, "%s/%s", folder, name);
    assert_ok(shn_file_write(to, bytes, n, &err));
    free(bytes);
}

static void test_split(void **state)
{
    (void)state;
    shn_error    err = { 0 };
    shn_weights *a, *b;
    char         hex_a[65], hex_b[65], path[SHN_PATH_MAX];
    assert_ok(shn_weights_open(TINY "/qwen3-00001-of-00003.gguf", &a, &err));
    assert_ok(shn_weights_open(TINY "/qwen3-00003-of-00003.gguf", &b, &err));      /* any part names the whole */
    assert_ok(shn_weights_identity(a, hex_a, &err));
    assert_ok(shn_weights_identity(b, hex_b, &err));
    assert_string_equal(hex_a, hex_b);
    assert_int_equal(shn_weights_config(a)->n_layers, 2);
    shn_weights_close(a);
    shn_weights_close(b);

    const char *folder = test_folder();
    copy_file(TINY "/qwen3-00001-of-00003.gguf", folder, "m-00001-of-00003.gguf");
    copy_file(TINY "/qwen3-00003-of-00003.gguf", folder, "m-00003-of-00003.gguf");
    snprintf(path, sizeof path, "%s/m-00001-of-00003.gguf", folder);
    assert_status(shn_weights_open(path, &a, &err), SHN_IO);
    assert_non_null(strstr(err.text, "part 2 of 3"));
    assert_non_null(strstr(err.text, "m-00002-of-00003.gguf: not found"));
    copy_file(TINY "/qwen3-00003-of-00003.gguf", folder, "m-00002-of-00003.gguf");  /* the wrong part under the name */
    assert_status(shn_weights_open(path, &a, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "is part 3 of 3 inside, but its name says 2 of 3"));
    copy_file(TINY "/qwen3-00001-of-00003.gguf", folder, "alone.gguf");
    snprintf(path, sizeof path, "%s/alone.gguf", folder);
    assert_status(shn_weights_open(path, &a, &err), SHN_FORMAT);
    assert_non_null(strstr(err.text, "is one of 3 parts"));
    snprintf(path, sizeof path, "rm -r %s", folder);
    assert_int_equal(system(path), 0);
}

static void test_identity(void **state)
{
    (void)state;
    shn_error    err = { 0 };
    size_t       n;
    uint8_t     *bytes = read_corpus("bert", &n);
    char         first[65], again[65];
    shn_weights *w;
    assert_ok(open_bytes(bytes, n, &w, &err));
    assert_ok(shn_weights_identity(w, first, &err));
    assert_ok(shn_weights_identity(w, again, &err));
    assert_string_equal(first, again);
    /* a weight of a matrix smaller than the samples, and a key that changes nothing but itself */
    const shn_tensor_view *down = shn_weights_tensor(w, SHN_W_FFN_DOWN, 0);
    const size_t at = (size_t)(down->data - bytes) + 500;
    shn_weights_close(w);
    bytes[at] ^= 1;
    assert_ok(open_bytes(bytes, n, &w, &err));
    assert_ok(shn_weights_identity(w, again, &err));
    assert_string_not_equal(first, again);
    shn_weights_close(w);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_and_values), cmocka_unit_test(test_vocab), cmocka_unit_test(test_truncations_and_allocations),
        cmocka_unit_test(test_split),             cmocka_unit_test(test_identity), cmocka_unit_test(test_must_fail_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
