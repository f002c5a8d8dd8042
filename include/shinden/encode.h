/**
 * Text vectors from a frozen language model: reads the weights that people have (GGUF, or a folder of safetensors), runs
 * them once over a list of texts, and writes the vector cache that `shinden train --text` reads. What the papers did is not
 * stated, so prompt, pooling and centring are settings, recorded in the file.
 *
 *   cache     safetensors; tensor "vectors" [N][D] f32 in the order of the texts; with centring "centre" [D] f32, which was
 *             subtracted (new texts for the same space need the same centre, not their own)
 *   metadata  texts (JSON list, NFC), model, model_hash, tokenizer, tokenizer_hash, prompt, pooling, centring, appended_token, unit_length,
 *             provider, precision, made_by, schema_version, research_use_only
 */
#ifndef SHINDEN_ENCODE_H
#define SHINDEN_ENCODE_H

#include <stddef.h>

#include "shinden/progress.h"
#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum shn_pooling { SHN_POOLING_DEFAULT = -1, SHN_POOLING_LAST, SHN_POOLING_MEAN, SHN_POOLING_MEAN_LABEL, SHN_POOLING_CLS } shn_pooling;
/** "last" "mean" "mean-label" "cls"; "default" outside the list. */
const char *shn_pooling_name(shn_pooling pooling);
/** -1: no such name. */
int shn_pooling_from_name(const char *name);

#define SHN_ENCODE_TEXTS_MAX ((size_t)1 << 22)

typedef struct shn_encode_config {
    const char *model;          /**< .gguf file or folder; borrowed */
    shn_pooling pooling;        /**< default: decoders mean-label, Qwen3-Embedding last, encoders mean */
    const char *prompt;         /**< put before every text; NULL: decoders "ECG finding: " or, before a text with kana or kanji,
                                     "心電図所見：", Qwen3-Embedding none, e5 models "passage: ", other encoders none */
    int         centre;         /**< 1, 0, or -1: decoders with mean-label yes, others no */
    const char *provider;       /**< who runs the layers: "own" (default), or "llama": libllama, where the build found it; GGUF files only. Tokens,
                                     prompt, pooling and centring are ours either way */
    const char *precision;      /**< "f32", "bf16", or "auto": bf16 where the CPU has AMX, else f32; libllama knows auto only */
    unsigned    n_threads;      /**< 0: one per usable core */
    size_t      memory_bytes;   /**< for states and work space; texts beyond are done in chunks of at least one; default 384 MiB. libllama's
                                     own memory is not counted, and its chunks are 512 tokens or one text */
    unsigned    checkpoint_seconds; /**< unfinished work is kept in OUT.partial so often; default 5; 0: after every layer */
} shn_encode_config;
void shn_encode_defaults(shn_encode_config *config);

/** "libllama VERSION", or NULL where the build has no provider llama. Static. */
const char *shn_encode_llama(void);

/** What a run did, for a line to the user. */
typedef struct shn_encode_report {
    size_t      n_texts, n_tokens, width, n_chunks;
    size_t      n_rows;                         /**< tokens computed: those of a beginning that texts of a decoder share count once */
    size_t      layers_done, layers_resumed;    /**< layer passes computed now, and found finished in an earlier run's state */
    size_t      own_bytes;                      /**< most memory held beside the mapped weights (and libllama's) */
    char        model[192], prompt[192], provider[32], precision[96];
    shn_pooling pooling;
    int         centre;
} shn_encode_report;

/**
 * Encodes texts and writes the cache. A state file OUT.partial is kept beside it while the work goes on, at most every few
 * seconds and at the end of every chunk: the same call goes on from there after a kill, to the same bits. It is removed
 * at the end; one that belongs to other texts, weights or settings is refused, not overwritten.
 *
 * @param[in]  texts   [n] UTF-8, distinct after NFC, none empty
 * @param[out] report  may be NULL
 *
 * Errors  SHN_IO, SHN_FORMAT, SHN_UNSUPPORTED, SHN_MISMATCH  the model (tensor or key named), the tokenizer, the state file; before any work
 *         SHN_IO         no room for the state file and the cache beside OUT; before any work
 *         SHN_UNSUPPORTED  provider llama: built without it, or the model is a folder
 *         SHN_RANGE      no texts, an empty one, one twice, one longer than the model's positions (shown)
 *         SHN_CANCELLED  by the watcher; the state file stays
 */
SHN_NODISCARD shn_status shn_encode_texts(const shn_encode_config *config, const char *const *texts, size_t n, const char *out,
                                          shn_watcher watcher, shn_encode_report *report, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
