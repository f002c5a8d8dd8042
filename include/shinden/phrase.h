/**
 * Any phrase as a finding: its vector in a model's text space, and how well it sorts a cohort's records. The phrase may name what the model
 * never had a label for.
 */
#ifndef SHINDEN_PHRASE_H
#define SHINDEN_PHRASE_H

#include "shinden/eval.h"
#include "shinden/text.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Where the phrase's vector comes from: one of the two. */
typedef struct shn_phrase_source {
    const char *vectors;            /**< a vector cache, or "e5-small" */
    const char *text_model;         /**< the language model (file or folder) that made the model's vectors: the phrase is encoded now */
    unsigned    n_threads;          /**< of the language model; 0: one per core */
} shn_phrase_source;

/** A phrase beside the findings. Released with shn_phrase_free. */
typedef struct shn_phrase {
    char  *text;                    /**< NFC */
    size_t D;
    float *vector;                  /**< [D] as the language model gave it */
    float *names;                   /**< [K][D] of the findings' names from the same source: what `nearest` compares; NULL: the model has its own */
    char   provider[256];           /**< the language model's name */
} shn_phrase;

/**
 * The phrase's vector, as the model's own texts got theirs: same weights (by their hash), prompt and pooling, and the same centre taken off.
 * A model without texts (bce) takes any language model, which is then also asked for the findings' names.
 * Errors  SHN_MISMATCH  another language model, prompt or pooling; a cache without the phrase; a model trained on random vectors, where no
 *                       phrase has a meaning;  SHN_RANGE empty, neither or both sources;  errors of the cache and of shn_encode_texts
 */
SHN_NODISCARD shn_status shn_phrase_open(const shn_model *m, const shn_phrase_source *source, const char *text, shn_phrase **out, shn_error *err);
void shn_phrase_free(shn_phrase *phrase);                       /**< accepts NULL */

/**
 * The finding with positives in training whose name is nearest, by cosine of vectors centred on those names' mean.
 * Errors  SHN_MISMATCH (no_label) the model was trained without a positive label: there is none;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_phrase_nearest(const shn_model *m, const shn_phrase *phrase, size_t *finding, double *cosine, shn_error *err);

/**
 * Ways to score a phrase: `class`, `sentences` (shn_readout), and as what is there without any text in the space `nearest`, the score of the
 * nearest finding (bce: logit, else class).
 */
typedef enum shn_phrase_readout { SHN_PHRASE_CLASS, SHN_PHRASE_SENTENCES, SHN_PHRASE_NEAREST, SHN_PHRASE_READOUTS } shn_phrase_readout;
const char *shn_phrase_readout_name(shn_phrase_readout r);      /**< "class" "sentences" "nearest" */
/** 1 if it applies to the model. */
int shn_phrase_applies(const shn_model *m, shn_phrase_readout r);
/** A way opened for a phrase on a model, both borrowed: for record after record, as opening it costs more than a record (shn_readout_space). */
typedef struct shn_phrase_scorer shn_phrase_scorer;
/** *out is NULL on failure. Errors SHN_MISMATCH, SHN_NOMEM. */
SHN_NODISCARD shn_status shn_phrase_scorer_new(const shn_model *m, const shn_phrase *phrase, shn_phrase_readout r, shn_phrase_scorer **out, shn_error *err);
/** Raw scores of n records, z [n][n_windows][E]; out [n]. Errors SHN_RANGE, SHN_NOMEM. */
SHN_NODISCARD shn_status shn_phrase_scorer_scores(shn_phrase_scorer *s, const float *z, size_t n, float *out, shn_error *err);
void shn_phrase_scorer_free(shn_phrase_scorer *s);              /**< accepts NULL */
/** The three in one, for many records at once. */
SHN_NODISCARD shn_status shn_phrase_scores(const shn_model *m, const shn_phrase *phrase, shn_phrase_readout r, const float *z, size_t n, float *out,
                                           shn_error *err);

/**
 * The phrase on a split: one JSON document (docs/json.md, "eval --text"): per read-out the spread of its scores and, with a truth, AUROC and
 * average precision with intervals by patient; the report sentences that speak for it; the records ranked first.
 * @param truth  id of a finding of the cohort that the phrase is to find; NULL: there is none
 * Errors  SHN_RANGE (no_label) the cohort does not have the truth's finding; as shn_eval
 */
SHN_NODISCARD shn_status shn_phrase_eval(const shn_model *m, shn_engine *eng, const shn_cohort *c, const shn_phrase *phrase, const char *truth,
                                         const shn_eval_options *options, char **json, shn_error *err);
/** Text of that document; owned by the caller. */
SHN_NODISCARD shn_status shn_phrase_text(const char *json, char **text, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
