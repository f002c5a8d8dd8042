/** What the files of the tokenizer share: the opened tokenizer, text on its way to tokens, and the steps in between. */
#ifndef SHN_TEXT_TOKENIZER_PARTS_H
#define SHN_TEXT_TOKENIZER_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/tokenizer.h"
#include "text/tokenizer_pieces.h"

/* ---- text with a memory of where it came from */

typedef struct shn_origin { uint32_t from, to; } shn_origin;
/** Normalised text; byte i stands for bytes [from, to) of the NFC text. Neither bound ever goes back. */
typedef struct shn_norm {
    char       *bytes;
    shn_origin *origin;
    size_t      n, bytes_room, origin_room;
} shn_norm;

void shn_norm_free(shn_norm *s);
/** Appends; 0, or -1 when out of memory. */
int  shn_norm_put(shn_norm *s, const char *bytes, size_t n, uint32_t from, uint32_t to);
/** The character at byte i of n: its code point and its length. The text is known to be UTF-8. */
int32_t shn_char_at(const char *bytes, size_t n, size_t i, size_t *length);
/** White_Space, \p{L}, \p{N}, P* as Unicode has them. */
int shn_char_is_space(int32_t c);
int shn_char_is_letter(int32_t c);
int shn_char_is_number(int32_t c);
int shn_char_is_punctuation(int32_t c);

/* ---- normalisers */

typedef enum shn_norm_kind { NORM_CHARSMAP, NORM_NFC, NORM_NFKC, NORM_BERT, NORM_REPLACE, NORM_STRIP, NORM_LOWERCASE } shn_norm_kind;
enum { NORM_STEPS_MAX = 8, NORM_PATTERN_MAX = 32 };

typedef struct shn_norm_step {
    shn_norm_kind kind;
    uint8_t clean, split_cjk, strip_accents, lowercase;         /* BERT */
    uint8_t left, right;                                        /* STRIP */
    char    pattern[NORM_PATTERN_MAX], content[NORM_PATTERN_MAX];   /* REPLACE; pattern " {2,}" with runs set */
    uint8_t runs;
} shn_norm_step;

/** SentencePiece's precompiled map: a double array of u32 units, then replacements, each ended by NUL. */
typedef struct shn_charsmap { uint32_t *units; size_t n_units; char *replacements; size_t n_replacements; } shn_charsmap;
/** @param bytes  u32le bytes of the double array, the array, the replacements.  Errors SHN_FORMAT, SHN_RANGE, SHN_NOMEM */
SHN_NODISCARD shn_status shn_charsmap_parse(const uint8_t *bytes, size_t n_bytes, shn_charsmap *out, shn_error *err);
void shn_charsmap_free(shn_charsmap *map);
/** Borrowed: what stands for text that begins so; NULL if the map has no prefix of it. */
const char *shn_charsmap_find(const shn_charsmap *map, const char *bytes, size_t n);

/** out (zeroed by the caller) becomes the NFC text after all steps. Errors SHN_NOMEM */
SHN_NODISCARD shn_status shn_normalise(const shn_tokenizer *t, const char *nfc, size_t n, shn_norm *out, shn_error *err);

/* ---- cutting into words */

typedef enum shn_split_kind { SPLIT_DIGIT, SPLIT_DIGITS, SPLIT_LLAMA3, SPLIT_QWEN2, SPLIT_GPT2 } shn_split_kind;
enum { SPLIT_STEPS_MAX = 4 };
/** End of the first piece of bytes[begin, end), begin < end; the rest of the text is out of sight, as for the regex. */
size_t shn_split_next(shn_split_kind kind, const char *bytes, size_t begin, size_t end);

/* ---- the three models */

typedef enum shn_token_model { MODEL_BPE, MODEL_UNIGRAM, MODEL_WORDPIECE } shn_token_model;
typedef enum shn_metaspace { METASPACE_ALWAYS, METASPACE_FIRST, METASPACE_NEVER } shn_metaspace;

/** One merge: left and right ids as key, what they become; its place is its rank. Slots by open addressing, 0 empty. */
typedef struct shn_merge { uint32_t left, right, into; } shn_merge;

struct shn_tokenizer {
    shn_token_model model;
    shn_pieces      pieces;
    shn_norm_step   norm[NORM_STEPS_MAX];
    size_t          n_norm;
    shn_charsmap    charsmap;
    int64_t         unk;                        /* -1: none */

    shn_split_kind  split[SPLIT_STEPS_MAX];     /* BPE */
    size_t          n_split;
    shn_merge      *merges;                     /* [n_merges], by rank */
    size_t          n_merges;
    uint32_t       *merge_slots;                /* [n_merge_slots] rank + 1 */
    size_t          n_merge_slots;
    int64_t         byte_id[256];               /* piece of one byte; -1: none */
    int             ignore_merges;              /* a whole word that is a piece is that piece */

    double         *scores;                     /* Unigram: [n_scores]; added tokens past them have none */
    size_t          n_scores;
    double          unk_score;
    uint32_t       *sorted;                     /* text pieces by bytes, for prefix search */
    size_t          n_sorted;
    uint32_t        first_byte[257];            /* sorted[first_byte[b] .. first_byte[b + 1]) begin with b */
    int             whitespace_split, metaspace_split;
    shn_metaspace   metaspace;

    char            continuing[16];             /* WordPiece: "##" */
    size_t          n_continuing, word_chars_max;

    uint32_t        prefix[SHN_TOKEN_AFFIX_MAX], suffix[SHN_TOKEN_AFFIX_MAX];
    size_t          n_prefix, n_suffix;
    int64_t         model_bos;                  /* Llama-3's, where the file is silent; -1: none */
    char            describe[128], hash[65];
};

/** Tokens being collected. */
typedef struct shn_token_list { shn_token *items; size_t n, room; } shn_token_list;
int shn_token_put(shn_token_list *list, uint32_t id, uint32_t start, uint32_t end);    /* 0, or -1 when out of memory */

/** GPT-2's byte alphabet: code point of each byte. */
int32_t shn_byte_letter(uint8_t byte);
/** Decodes a piece from that alphabet to out (as long at most); its length, or -1 where a character is outside it. */
int64_t shn_byte_decode(const char *piece, size_t n, char *out);

/** Once all pieces of the vocabulary are put: room for n merges. Then one call for each, sides in the byte alphabet, best first. */
SHN_NODISCARD shn_status shn_bpe_begin_merges(shn_tokenizer *t, size_t n, shn_error *err);
SHN_NODISCARD shn_status shn_bpe_add_merge(shn_tokenizer *t, const char *left, size_t n_left, const char *right, size_t n_right, shn_error *err);
/** Builds the look-up. SHN_FORMAT: one pair twice. */
SHN_NODISCARD shn_status shn_bpe_index(shn_tokenizer *t, shn_error *err);
SHN_NODISCARD shn_status shn_bpe_encode(const shn_tokenizer *t, const shn_norm *s, shn_token_list *out, shn_error *err);
SHN_NODISCARD shn_status shn_unigram_index(shn_tokenizer *t, shn_error *err);
SHN_NODISCARD shn_status shn_unigram_encode(const shn_tokenizer *t, const shn_norm *s, shn_token_list *out, shn_error *err);
SHN_NODISCARD shn_status shn_wordpiece_encode(const shn_tokenizer *t, const shn_norm *s, shn_token_list *out, shn_error *err);

/** Builds look-ups, checks special ids and writes `describe`: the end of every way to open. */
SHN_NODISCARD shn_status shn_tokenizer_finish(shn_tokenizer *t, shn_error *err);

#endif
