/**
 * GGUF version 3, little-endian:
 *
 *   "GGUF", u32 version, u64 tensor count, u64 key count
 *   keys     string name, u32 value type, value; a string is u64 length and bytes; an array is u32 element type, u64 count, elements
 *   tensors  string name, u32 rank, u64 dims[rank] (fastest first), u32 type, u64 offset
 *   padding  to `general.alignment` (32 unless said), then the data that offsets are relative to
 *
 * Value types: u8 0, i8 1, u16 2, i16 3, u32 4, i32 5, f32 6, bool 7, string 8, array 9, u64 10, i64 11, f64 12.
 * Treated as hostile: counts, lengths, offsets and products are checked, tensors lie in the file and do not overlap, no name stands
 * twice. The reader works on bytes that the caller holds and does no I/O.
 *
 * Source  ggml-org/ggml docs/gguf.md.
 */
#ifndef SHN_TEXT_GGUF_H
#define SHN_TEXT_GGUF_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

#define SHN_GGUF_KEYS_MAX      65536
#define SHN_GGUF_TENSORS_MAX   100000
#define SHN_GGUF_NAME_MAX      1024                     /* bytes of a key's or a tensor's name */
#define SHN_GGUF_STRING_MAX    ((uint64_t)16 << 20)     /* bytes of one string value (chat templates are long) */
#define SHN_GGUF_ARRAY_MAX     ((uint64_t)1 << 24)      /* elements of one array */
#define SHN_GGUF_ALIGNMENT_MAX 65536
#define SHN_GGUF_RANK_MAX      4

typedef struct shn_gguf shn_gguf;               /* an opened view; borrows the caller's bytes */

/** Bytes in the file; not terminated, may hold anything. */
typedef struct shn_gguf_string { const char *bytes; size_t n; } shn_gguf_string;

typedef struct shn_gguf_tensor {
    const char    *name;                        /**< terminated; borrowed from the view */
    uint32_t       type;                        /**< GGUF's number, known to shn_w_type_find() */
    size_t         rank, shape[SHN_GGUF_RANK_MAX];  /**< row-major order: the file's dims reversed; each at least 1 */
    const uint8_t *data;                        /**< borrowed from the caller's bytes */
    size_t         n_bytes;
} shn_gguf_tensor;

/**
 * The vocabulary in a file, as the file has it. Byte-level BPE (`model` "gpt2"): tokens in GPT-2's byte alphabet, merges "a b".
 * WordPiece ("bert"): llama.cpp's converter has taken "##" off continuations and put U+2581 before first pieces.
 * Unigram ("t5"): scores, and perhaps SentencePiece's character map.
 */
typedef struct shn_gguf_vocab {
    const char            *model, *pre;         /**< tokenizer.ggml.model; .pre or NULL */
    const shn_gguf_string *tokens;              /**< [n_tokens] */
    size_t                 n_tokens;
    const float           *scores;              /**< [n_tokens] or NULL */
    const int32_t         *types;               /**< [n_tokens] or NULL: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte */
    const shn_gguf_string *merges;              /**< [n_merges], in order of rank */
    size_t                 n_merges;
    const uint8_t         *charsmap;            /**< precompiled_charsmap, or NULL */
    size_t                 n_charsmap;
    int bos_id, eos_id, unk_id, sep_id, pad_id, cls_id, mask_id;    /**< -1: not said; else below n_tokens */
    int add_bos, add_eos, add_sep, add_space_prefix, remove_extra_whitespaces;  /**< 1, 0, or -1 where the file does not say */
} shn_gguf_vocab;

/**
 * Parses a file's header; bytes must outlive the view.
 * Errors  SHN_FORMAT (bad_header) not GGUF, a name twice, a bad dim, offset or type, overlapping tensors; (truncated) the bytes end early
 *         SHN_UNSUPPORTED another version, byte order, nested arrays, an unknown tensor type;  SHN_RANGE (limit) a limit above;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_gguf_open(const uint8_t *bytes, size_t n_bytes, shn_gguf **out, shn_error *err);
void   shn_gguf_close(shn_gguf *g);                                         /* accepts NULL */
size_t shn_gguf_count(const shn_gguf *g);
const shn_gguf_tensor *shn_gguf_at(const shn_gguf *g, size_t i);            /* sorted by name; i < count */
const shn_gguf_tensor *shn_gguf_find(const shn_gguf *g, const char *name);  /* NULL: none */
/** Bytes before the data: everything but the weights. */
size_t shn_gguf_header_bytes(const shn_gguf *g);

/**
 * Values by key. An absent key leaves *value as it is and succeeds; a key of another kind, or a negative or too large number, is
 * SHN_FORMAT (bad_value) with the key's name. Numbers: any integer type (uint), f32 or f64 (float). Strings are not terminated.
 */
SHN_NODISCARD shn_status shn_gguf_uint(const shn_gguf *g, const char *key, uint64_t max, uint64_t *value, shn_error *err);
SHN_NODISCARD shn_status shn_gguf_float(const shn_gguf *g, const char *key, double *value, shn_error *err);
SHN_NODISCARD shn_status shn_gguf_bool(const shn_gguf *g, const char *key, int *value, shn_error *err);
SHN_NODISCARD shn_status shn_gguf_text(const shn_gguf *g, const char *key, shn_gguf_string *value, shn_error *err);
int shn_gguf_has(const shn_gguf *g, const char *key);

/**
 * The vocabulary; *out is NULL, and the call succeeds, where the file has no tokenizer.ggml.model.
 * @param[out] out  owned by the caller, release with shn_gguf_vocab_free(); borrows the bytes, not the view
 * Errors  SHN_FORMAT an array has another type or length than tokens, or a special id is outside; SHN_RANGE; SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_gguf_vocab_read(const shn_gguf *g, shn_gguf_vocab **out, shn_error *err);
void shn_gguf_vocab_free(shn_gguf_vocab *vocab);                            /* accepts NULL */

#endif
