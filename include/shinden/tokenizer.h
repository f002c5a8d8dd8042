/**
 * Text to token ids, as the frozen language models expect them: byte-level BPE (Llama-3, Qwen2/3, SmolLM, GPT-2), Unigram
 * (XLM-RoBERTa, multilingual-e5) and WordPiece (BERT, MiniLM). A tokenizer comes from a tokenizer.json or from a vocabulary
 * that another reader holds (GGUF). Both are treated as hostile: limits below, every id and offset checked.
 *
 * Text is brought to NFC first, always, whatever the file says. What looks like a special token in a text ("<s>",
 * "<|endoftext|>") is text: no text yields a special id; those come from `special` alone.
 * Padding and truncation that a tokenizer.json may ask for belong to batching and are not done.
 */
#ifndef SHINDEN_TOKENIZER_H
#define SHINDEN_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_TOKENIZER_JSON_MAX ((size_t)64 << 20)   /**< bytes of a tokenizer.json */
#define SHN_TOKEN_VOCAB_MAX    ((size_t)1 << 20)    /**< ids are below this */
#define SHN_TOKEN_MERGES_MAX   ((size_t)1 << 21)
#define SHN_TOKEN_PIECE_MAX    ((size_t)1024)       /**< bytes of one piece */
#define SHN_TOKEN_CHARSMAP_MAX ((size_t)16 << 20)   /**< bytes of a SentencePiece character map */
#define SHN_TOKEN_TEXT_MAX     ((size_t)1 << 20)    /**< bytes of one text */
#define SHN_TOKEN_AFFIX_MAX    8                    /**< special tokens on one side of a text */

typedef struct shn_tokenizer shn_tokenizer;         /* never changes once opened: any number of threads may encode with it */

/**
 * Reads a tokenizer.json.
 * @param[out] out  owned by the caller, release with shn_tokenizer_free(); NULL on failure
 *
 * Errors  SHN_FORMAT       not JSON, or a field is missing, of another kind or contradicts another; the field is named
 *         SHN_UNSUPPORTED  another model, normalizer, pre-tokenizer, post-processor or split pattern, by its name
 *         SHN_RANGE        a limit above;  SHN_NOMEM
 * Source  the file format of Hugging Face's tokenizers, version "1.0".
 */
SHN_NODISCARD shn_status shn_tokenizer_json(const uint8_t *bytes, size_t n_bytes, shn_tokenizer **out, shn_error *err);
/**
 * The same from a tokenizer.json, from the folder that holds one, or from a GGUF file (of a split model the first part); errors begin
 * with the file's path. Also SHN_IO, and SHN_MISMATCH for a GGUF file without a vocabulary.
 */
SHN_NODISCARD shn_status shn_tokenizer_read(const char *path, shn_tokenizer **out, shn_error *err);

typedef struct shn_span { const char *bytes; size_t n; } shn_span;      /**< not terminated */

/** A vocabulary as GGUF files state it (keys tokenizer.ggml.*). All is borrowed for the call only. */
typedef struct shn_vocab {
    const char     *model;          /**< "gpt2" byte-level BPE, "t5" Unigram, "bert" WordPiece */
    const char     *pre;            /**< gpt2 only: "llama-bpe", "qwen2", "smollm", "gpt-2"; others are refused by name */
    const shn_span *pieces;         /**< [n] gpt2: in GPT-2's byte alphabet; bert: U+2581 before first pieces, no "##" */
    const float    *scores;         /**< [n], t5 only */
    const int32_t  *types;          /**< [n] 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte; NULL: all normal */
    size_t          n;
    const shn_span *merges;         /**< [n_merges] "left right", best first; gpt2 only */
    size_t          n_merges;
    const uint8_t  *charsmap;       /**< t5: SentencePiece's precompiled character map, or NULL */
    size_t          n_charsmap;
    int64_t         bos, eos, cls, sep, unk;            /**< -1: not said */
    int             add_bos, add_eos;                   /**< 1, 0, or -1: not said (then what llama.cpp does for the kind) */
} shn_vocab;

/** Errors as shn_tokenizer_json(); the key at fault is named. */
SHN_NODISCARD shn_status shn_tokenizer_vocab(const shn_vocab *vocab, shn_tokenizer **out, shn_error *err);

void   shn_tokenizer_free(shn_tokenizer *t);                            /* accepts NULL */
/** Rows that an embedding needs at least: the largest id + 1, added tokens included. */
size_t shn_tokenizer_size(const shn_tokenizer *t);
/** "BPE llama-3, 128256 ids, NFC": for provenance. Borrowed. */
const char *shn_tokenizer_describe(const shn_tokenizer *t);
/** Lower-case SHA-256 of what was read (the file's bytes; of a shn_vocab its fields): part of a vector cache's key. Borrowed. */
const char *shn_tokenizer_hash(const shn_tokenizer *t);

/**
 * A piece's bytes (BPE: decoded from the byte alphabet, perhaps part of a character; WordPiece: with its "##"), borrowed and not
 * terminated. NULL for an id that no piece has.
 */
const char *shn_tokenizer_piece(const shn_tokenizer *t, uint32_t id, size_t *n_bytes);
/** The id of a special or added token with exactly this text, such as "<|endoftext|>"; -1: none. */
int64_t shn_tokenizer_special(const shn_tokenizer *t, const char *text);
/** 1 if the id is a special or added token. */
int shn_tokenizer_is_special(const shn_tokenizer *t, uint32_t id);

/** Which special tokens stand around the text. */
typedef enum shn_token_special {
    SHN_SPECIAL_FILE,       /**< what the file's post-processor (GGUF: add_bos, add_eos) says: as the `tokenizers` package */
    SHN_SPECIAL_MODEL,      /**< that, and Llama-3's <|begin_of_text|> where an older file is silent: as the model was trained */
    SHN_SPECIAL_NONE
} shn_token_special;

typedef struct shn_token_options {
    shn_token_special special;      /**< SHN_SPECIAL_MODEL */
    int64_t           append;       /**< this id ends the tokens, unless it does already; -1: none (Qwen3-Embedding: 151643) */
} shn_token_options;
void shn_token_defaults(shn_token_options *options);

/** One token: text bytes [start, end) of the NFC text; empty for special tokens and for a mark that stands for no byte. */
typedef struct shn_token { uint32_t id, start, end; } shn_token;
typedef struct shn_tokens {
    char      *text;        /**< the NFC text, terminated */
    size_t     n_text;
    shn_token *items;       /**< [n]; starts and ends never go back, special ones aside */
    size_t     n;
    size_t     first, last; /**< [first, last) are the text's own, the rest was put around them */
} shn_tokens;

/**
 * Encodes one text.
 * @param[in]  options  NULL: defaults
 * @param[out] out      release with shn_tokens_free(); zeroed on failure
 *
 * Where a prompt stands before a label, a token belongs to the label when its end lies past the prompt's end.
 * Errors  SHN_FORMAT  text is not UTF-8, or a byte has no token and the vocabulary has no unknown token;  SHN_RANGE  too long;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_tokenizer_encode(const shn_tokenizer *t, const char *text, const shn_token_options *options,
                                              shn_tokens *out, shn_error *err);
void shn_tokens_free(shn_tokens *tokens);                               /* accepts NULL and a zeroed struct */

/**
 * Ids back to text, special tokens left out; for people and tests: WordPiece and Unigram do not keep case, width or blanks.
 * *out is owned by the caller (free()), terminated.   Errors  SHN_RANGE an id that no piece has;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_tokenizer_decode(const shn_tokenizer *t, const uint32_t *ids, size_t n, char **out, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
