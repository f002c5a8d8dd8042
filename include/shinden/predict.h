/** One record in, named findings with probabilities out. The fixed cost is paid once, in shn_predictor_new. */
#ifndef SHINDEN_PREDICT_H
#define SHINDEN_PREDICT_H

#include "shinden/engine.h"
#include "shinden/model.h"
#include "shinden/record.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shn_predictor shn_predictor;
typedef struct shn_predict_options {
    shn_readout readout;            /**< SHN_READOUT_COUNT: the model's default */
    int         allow_missing_leads;/**< 0; 1: missing leads are zeros, noted */
    double      assume_mv_per_unit; /**< 0: unknown units are refused */
} shn_predict_options;
void shn_predict_defaults(shn_predict_options *options);

typedef struct shn_prediction {     /**< one finding */
    size_t finding;                 /**< index in the model */
    float  score, probability, threshold;
    int    positive;
} shn_prediction;

/** Seconds around the middle of a recording that a prediction of this model depends on, margins included: for shn_record_read_middle. */
double shn_predict_seconds(const shn_model *model);
/** Borrows the model for its life. */
SHN_NODISCARD shn_status shn_predictor_new(const shn_model *m, const shn_predict_options *options,
                                           const shn_engine_options *engine, shn_predictor **out, shn_error *err);
void shn_predictor_free(shn_predictor *p);                          /**< accepts NULL */
/**
 * @param[in]  rec        as read; made canonical here, at the model's rate
 * @param[out] out        [K], sorted by probability, largest first
 * @param[out] canonical  may be NULL; else the canonical record with its notes (the warnings), owned by the caller
 * @param[out] z          may be NULL; else [n_windows][E]
 */
SHN_NODISCARD shn_status shn_predict(shn_predictor *p, const shn_record *rec, shn_prediction *out, shn_record **canonical,
                                     float *z, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
