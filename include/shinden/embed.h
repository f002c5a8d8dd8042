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

/**
 * Fills x [window][12] (channels last) from a cohort row beginning at sample `start`; gaps and what lies past n_valid are 0
 * after normalisation.
 */
void shn_window_from_cohort(const shn_input *in, const shn_cohort *c, size_t record, size_t start, float *x);
/** The same from a canonical record (12 leads in order, mV, NaN gaps) at the model's rate. */
void shn_window_from_record(const shn_input *in, const shn_record *rec, size_t start, float *x);
/** Start of test window w of n_windows over n_valid samples: evenly spread, first at 0, last at n_valid - window; 0 if shorter. */
size_t shn_window_start(const shn_input *in, size_t n_valid, size_t w);

/**
 * Embeds rows of a cohort with all test windows.
 * @param[out] z  [n][n_windows][E] raw encoder outputs
 * Errors  SHN_MISMATCH the cohort's rate differs from the model's (resample at import; message says how), or its leads
 */
SHN_NODISCARD shn_status shn_embed_cohort(const shn_model *m, shn_engine *eng, const shn_cohort *c, const uint32_t *rows,
                                          size_t n, float *z, const shn_watcher *watcher, shn_error *err);
/** An inference engine holding the model's weights, batches of up to batch_max windows. */
SHN_NODISCARD shn_status shn_model_engine(const shn_model *m, size_t batch_max, const shn_engine_options *options,
                                          shn_engine **out, shn_error *err);

/**
 * Raw read-out scores (larger is likelier; log-odds like) of n records from their windows' embeddings.
 * @param[in]  z       [n][n_windows][E]
 * @param[out] scores  [n][K]; the windows' scores reduced as the model says
 * Errors  SHN_MISMATCH the read-out does not apply to the model;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_readout_scores(const shn_model *m, shn_readout readout, const float *z, size_t n,
                                            float *scores, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
