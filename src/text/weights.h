/**
 * The weights of a frozen language model, from the files that people have: one GGUF v3 file (split ones too) or a
 * folder with config.json and safetensors (sharded too). Both become one configuration and one set of tensors, asked
 * for by role and layer, so that the forward pass knows neither format. Files are mapped, never copied, and treated
 * as hostile: every tensor's place, type and shape is checked against the configuration before anything is handed out.
 *
 * Mapped files must not be shortened while a model is open: the system ends a program that reads past a file's end.
 * The matrix that predicts tokens is never needed for embeddings; it is neither required nor handed out.
 */
#ifndef SHN_TEXT_WEIGHTS_H
#define SHN_TEXT_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

/* Named limits on what a file may claim. */
#define SHN_LM_LAYERS_MAX    512
#define SHN_LM_WIDTH_MAX     65536      /* width, ffn and heads * head_size stay below 2^20, so products of two fit */
#define SHN_LM_FFN_MAX       ((size_t)1 << 20)
#define SHN_LM_HEADS_MAX     1024
#define SHN_LM_HEAD_SIZE_MAX 1024       /* even where rope is used */
#define SHN_LM_VOCAB_MAX     ((size_t)1 << 22)
#define SHN_LM_SHARDS_MAX    1000

typedef struct shn_weights shn_weights;         /* an opened model; holds the mappings */
struct shn_gguf_vocab;                          /* text/gguf.h */

/**
 * LLAMA and QWEN3 are causal: RMS norm before each block and at the end, rope, grouped heads, SwiGLU.
 * BERT and XLMR are bidirectional: learned positions, LayerNorm with bias after the embeddings and after each block,
 * no norm at the end; they differ in the first position (`position_offset`) only. multilingual-e5-small is BERT.
 */
typedef enum shn_lm_family { SHN_LM_LLAMA, SHN_LM_QWEN3, SHN_LM_BERT, SHN_LM_XLMR } shn_lm_family;
/** GELU is the exact one (erf); GELU_TANH the approximation. */
typedef enum shn_lm_activation { SHN_LM_SILU, SHN_LM_GELU, SHN_LM_GELU_TANH } shn_lm_activation;
/** What the file itself asks for; values as llama.cpp numbers them. */
typedef enum shn_lm_pooling {
    SHN_LM_POOL_UNSAID = -1, SHN_LM_POOL_NONE = 0, SHN_LM_POOL_MEAN = 1, SHN_LM_POOL_CLS = 2, SHN_LM_POOL_LAST = 3
} shn_lm_pooling;

typedef struct shn_lm_config {
    shn_lm_family     family;
    shn_lm_activation activation;
    size_t n_layers;            /**< blocks, 1..SHN_LM_LAYERS_MAX */
    size_t width;               /**< D of the residual stream and of the vectors */
    size_t n_heads, n_kv_heads; /**< n_kv_heads divides n_heads; head h reads kv head h / (n_heads / n_kv_heads) */
    size_t head_size;           /**< of q, k and v alike; q is n_heads * head_size wide, which need not be width */
    size_t ffn;                 /**< inner width */
    size_t vocab;               /**< rows of the token embedding */
    size_t max_positions;       /**< longest sequence incl. special tokens (position_offset already taken off); 0: not said */
    size_t position_offset;     /**< row of the first position: 0, or pad id + 1 for XLM-R from safetensors */
    double norm_eps;
    double rope_theta;          /**< 0 where there is no rope */
    /** Borrowed until close, or NULL: head_size / 2 divisors, frequency i is theta^(-2i/head_size) / rope_divisor[i]. From
     *  `rope_scaling` of type llama3 or GGUF's rope_freqs.weight; other kinds of scaling are refused. */
    const float *rope_divisor;
    int rope_interleaved;       /**< 1: pairs are (2i, 2i+1) (GGUF llama, rows permuted); 0: (i, i + head_size/2) */
    int tied;                   /**< output matrix is the embedding; told for completeness */
    shn_lm_pooling pooling;
    int bos_id, eos_id, pad_id; /**< -1: the file says none */
    int add_bos, add_eos;       /**< 1, 0, or -1 where the file does not say (a folder's tokenizer.json does) */
} shn_lm_config;

/** Tensor roles. A linear map's weight is [out][in] row-major: y = W x + b. What a family does not have is NULL in shn_weights_tensor(). */
typedef enum shn_w_role {
    /* global; layer is ignored */
    SHN_W_TOKEN_EMBD,           /* [vocab][width], always there */
    SHN_W_POSITION_EMBD,        /* [position_offset + max_positions][width]: BERT, XLMR */
    SHN_W_TOKEN_TYPES,          /* [1 or more][width], row 0 is added to every token: BERT, XLMR */
    SHN_W_EMBD_NORM,            /* [width], BERT, XLMR */
    SHN_W_EMBD_NORM_BIAS,
    SHN_W_OUTPUT_NORM,          /* [width], final RMS norm: LLAMA, QWEN3 */
    /* per layer */
    SHN_W_ATTN_NORM,            /* [width], RMS before attention: LLAMA, QWEN3 */
    SHN_W_ATTN_Q,               /* [n_heads * head_size][width], always */
    SHN_W_ATTN_K,               /* [n_kv_heads * head_size][width], always */
    SHN_W_ATTN_V,               /* as K, always */
    SHN_W_ATTN_O,               /* [width][n_heads * head_size], always */
    SHN_W_ATTN_Q_BIAS,          /* as many as rows; always in BERT, XLMR, else optional */
    SHN_W_ATTN_K_BIAS,
    SHN_W_ATTN_V_BIAS,
    SHN_W_ATTN_O_BIAS,
    SHN_W_ATTN_Q_NORM,          /* [head_size], RMS per head before rope: QWEN3 */
    SHN_W_ATTN_K_NORM,
    SHN_W_ATTN_OUT_NORM,        /* [width], LayerNorm of (input + attention): BERT, XLMR */
    SHN_W_ATTN_OUT_NORM_BIAS,
    SHN_W_FFN_NORM,             /* [width], RMS before the FFN: LLAMA, QWEN3 */
    SHN_W_FFN_GATE,             /* [ffn][width]: LLAMA, QWEN3 */
    SHN_W_FFN_UP,               /* [ffn][width], always */
    SHN_W_FFN_DOWN,             /* [width][ffn], always */
    SHN_W_FFN_GATE_BIAS,        /* optional in LLAMA (mlp_bias) */
    SHN_W_FFN_UP_BIAS,          /* always in BERT, XLMR */
    SHN_W_FFN_DOWN_BIAS,
    SHN_W_LAYER_OUT_NORM,       /* [width], LayerNorm of (that + FFN): BERT, XLMR */
    SHN_W_LAYER_OUT_NORM_BIAS,
    SHN_W_ROLES
} shn_w_role;
#define SHN_W_PER_LAYER SHN_W_ATTN_NORM         /* roles from here on are per layer */
#define SHN_W_GLOBAL    ((size_t)-1)            /* "layer" of the global tensors, for shn_weights_done() */

/** Storage types, numbered as in GGUF. */
typedef enum shn_w_type {
    SHN_W_F32 = 0, SHN_W_F16 = 1, SHN_W_Q4_0 = 2, SHN_W_Q4_1 = 3, SHN_W_Q5_0 = 6, SHN_W_Q5_1 = 7, SHN_W_Q8_0 = 8,
    SHN_W_Q4_K = 12, SHN_W_Q5_K = 13, SHN_W_Q6_K = 14, SHN_W_BF16 = 30
} shn_w_type;

/** A matrix as it lies in the file. A vector has rows 1. data need not be aligned for its type. */
typedef struct shn_tensor_view {
    shn_w_type     type;
    size_t         rows, cols;
    const uint8_t *data;        /**< borrowed until close: rows * row_bytes, mapped read-only */
    size_t         row_bytes;
    const char    *name;        /**< as the file calls it; borrowed */
} shn_tensor_view;

/**
 * Opens a model: a .gguf file (any part of a split one: model-00001-of-00003.gguf), or a folder that holds config.json and
 * model.safetensors or model.safetensors.index.json with its shards.
 *
 * @param[out] out  owned by the caller, release with shn_weights_close(); NULL on failure
 *
 * Errors  SHN_IO           a file cannot be read; a missing shard is named
 *         SHN_FORMAT       the bytes contradict the format; the tensor or key at fault is named
 *         SHN_UNSUPPORTED  another architecture, tensor type, activation or rope scaling, by its name
 *         SHN_MISMATCH     a tensor is missing, or its shape is not what the configuration says
 *         SHN_RANGE        a limit above;  SHN_NOMEM (also: the file does not fit the address space)
 */
SHN_NODISCARD shn_status shn_weights_open(const char *path, shn_weights **out, shn_error *err);
void shn_weights_close(shn_weights *w);                                         /* accepts NULL */

/** Borrowed until close. */
const shn_lm_config *shn_weights_config(const shn_weights *w);
/** Borrowed until close; NULL if this model has no such tensor (then it is one that its family may lack). layer < n_layers. */
const shn_tensor_view *shn_weights_tensor(const shn_weights *w, shn_w_role role, size_t layer);
/** Borrowed until close: the vocabulary inside a GGUF file; NULL for a folder (read its tokenizer.json) or where it has none. */
const struct shn_gguf_vocab *shn_weights_vocab(const shn_weights *w);
/** Tells the system that a layer's pages (SHN_W_GLOBAL: the global tensors') may go. The data stays readable: touched again,
 *  it is read from the file again. */
void shn_weights_done(const shn_weights *w, size_t layer);
/** Bytes of all mapped files; what a pass reads at most. */
size_t shn_weights_bytes(const shn_weights *w);
/** "llama, 30 layers, width 576, Q4_1": for provenance and messages. Borrowed until close. */
const char *shn_weights_describe(const shn_weights *w);

/**
 * Names the model for the vector cache: lower-case SHA-256 over the sizes of all files, the whole metadata (GGUF: every
 * part's header with keys, vocabulary and tensor table; a folder: config.json, 1_Pooling/config.json and each shard's JSON
 * header) and, of every tensor handed out, its first, middle and last 4096 bytes. So a fine-tuned, converted or requantised model has another
 * name; an edit of a few bytes elsewhere inside a matrix would not be noticed. A folder's tokenizer.json is not covered.
 */
SHN_NODISCARD shn_status shn_weights_identity(const shn_weights *w, char hex[65], shn_error *err);

/** "Q4_K" and so on. */
const char *shn_w_type_name(shn_w_type type);

/**
 * Expands rows to float32, bit for bit what the `gguf` package's dequantisation gives.
 * @param[in]  t      a view from shn_weights_tensor (types and sizes already checked)
 * @param[in]  first, n_rows  first + n_rows <= t->rows
 * @param[out] out    [n_rows][t->cols]
 */
void shn_dequant_rows(const shn_tensor_view *t, size_t first, size_t n_rows, float *out);

#endif
