/**
 * From records to encoder outputs: the windows of a record, normalised as the model's input says, through an engine.
 * Training uses the same window function, so what the encoder sees cannot differ between training and use.
 */
#ifndef SHINDEN_EMBED_H
#define SHINDEN_EMBED_H

#include "shinden/cohort.h"
#include "shinden/engine.h"
#include "shinden/model.h"
#include "shinden/progress.h"
#include "shinden/record.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One packed row, as a cohort holds it: borrowed views. value in uV = signal * uv_per_unit + offset_uv[lead]. */
typedef struct shn_packed {
    const int16_t *signal;              /**< [12][n_samples] */
    const float   *offset_uv;           /**< [12] */
    float          uv_per_unit;
    size_t         n_samples, n_valid;
} shn_packed;
shn_packed shn_cohort_packed(const shn_cohort *c, size_t record);

/**
 * A cohort's row as a canonical record in mV, its valid samples only; a missing lead is all gaps. It carries no id, patient or other meta.
 * @param[out] out  owned by the caller. Errors SHN_NOMEM, SHN_RANGE
 */
SHN_NODISCARD shn_status shn_cohort_record(const shn_cohort *c, size_t record, shn_record **out, shn_error *err);

/**
 * Fills x [window][12] (channels last) from a packed row beginning at sample `start`; gaps and what lies past n_valid are 0
 * after normalisation.
 */
void shn_window_fill(const shn_input *in, const shn_packed *row, size_t start, float *x);
/** Start of test window w of n_windows: evenly spread from 0 to n_valid - window; a single one is central; 0 where n_valid is shorter. */
size_t shn_window_start(const shn_input *in, size_t n_valid, size_t w);

/**
 * Embeds rows of a cohort with all test windows.
 * @param[out] z  [n][n_windows][E] raw encoder outputs
 * A cohort at a higher rate than the model's is resampled row by row, as import would have.
 * Errors  SHN_MISMATCH the cohort's rate is below the model's (the message says what to do), or its leads differ
 */
SHN_NODISCARD shn_status shn_embed_cohort(const shn_model *m, shn_engine *eng, const shn_cohort *c, const uint32_t *rows,
                                          size_t n, float *z, const shn_watcher *watcher, shn_error *err);
/** An inference engine holding the model's weights, batches of up to batch_max windows. */
SHN_NODISCARD shn_status shn_model_engine(const shn_model *m, size_t batch_max, const shn_engine_options *options,
                                          shn_engine **out, shn_error *err);

/**
 * A read-out opened on a model: the texts' places in the space, what the sentences make of them, the label sets. Opened once and asked for record after
 * record: opening projects every text and, for sentences and joint, the whole bank. It has scratch of its own: one per thread.
 */
typedef struct shn_readout_space shn_readout_space;
/**
 * @param[in]  phrase, vector  both NULL: scores are of the model's findings. Else of this phrase alone, in or out of the findings, by `class` (its own place in
 *                             the space; without a finding's bias) or `sentences` (that of the report sentences like it): its text (for messages) and its
 *                             vector [D] as the model's text provider gives it (shinden/phrase.h)
 * @param[out] out             released with shn_readout_space_free; NULL on failure. Borrows the model and the phrase
 * Errors  SHN_MISMATCH the read-out does not apply to the model, or to a phrase;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_readout_space_new(const shn_model *m, shn_readout readout, const char *phrase, const float *vector, shn_readout_space **out,
                                               shn_error *err);
/**
 * Raw scores (larger is likelier; log-odds like) of n records from their windows' embeddings.
 * @param[in]  z       [n][n_windows][E]
 * @param[out] scores  [n][K], of a phrase [n]; the windows' scores reduced as the model says
 * Errors  SHN_RANGE a score is not finite
 */
SHN_NODISCARD shn_status shn_readout_space_scores(shn_readout_space *space, const float *z, size_t n, float *scores, shn_error *err);
void shn_readout_space_free(shn_readout_space *space);           /**< accepts NULL */
/** The two for the findings, [n][K], and released again: for many records at once. */
SHN_NODISCARD shn_status shn_readout_scores(const shn_model *m, shn_readout readout, const float *z, size_t n,
                                            float *scores, shn_error *err);
/** Weights of the bank's sentences in the read-out `sentences` of a phrase, weight [n_sentences], sum 1. SHN_MISMATCH: no sentences. */
SHN_NODISCARD shn_status shn_readout_phrase_weights(const shn_model *m, const float *vector, double *weight, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
