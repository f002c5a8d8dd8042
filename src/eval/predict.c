/**
 * Prediction for one record. The record takes the path of import (canonical, model's rate, packed to the same integers), so
 * a file and its row in a cohort give the same numbers.
 */
#include "shinden/predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "data/pack.h"
#include "shinden/embed.h"
#include "shinden/signal.h"

struct shn_predictor {
    const shn_model    *model;
    shn_engine         *engine;
    shn_readout         readout;
    shn_readout_space  *space;
    shn_signal_options  signal;
    int16_t            *packed;     /* [12][n_samples] */
    float              *x, *z;      /* [n_windows][window][12], [n_windows][E] */
    float              *scores;     /* [K] */
};

void shn_predict_defaults(shn_predict_options *options)
{
    *options = (shn_predict_options){ .readout = SHN_READOUT_COUNT };
}

double shn_predict_seconds(const shn_model *m) { return (double)m->input.n_samples / m->input.fs_hz + 2 * SHN_MARGIN_SECONDS; }

shn_status shn_predictor_new(const shn_model *m, const shn_predict_options *options, const shn_engine_options *engine,
                             shn_predictor **out, shn_error *err)
{
    *out = NULL;
    if (m->encoder.config.n_leads != SHN_LEADS)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "predict", "the model takes %u leads", m->encoder.config.n_leads);
    const shn_readout r = options->readout == SHN_READOUT_COUNT ? m->readout_default : options->readout;
    if (!(m->readouts >> r & 1))
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, "predict", "the read-out '%s' does not apply to a '%s' model",
                        shn_readout_name(r), m->loss);
    shn_predictor *p = shn_alloc(1, sizeof *p);
    if (!p) return shn_fail_nomem(err, "predict");
    p->model = m;
    p->readout = r;
    shn_signal_defaults(&p->signal);
    p->signal.fs_hz = m->input.fs_hz;
    p->signal.allow_upsampling = 1;         /* noted on the record; refusing would leave the user with nothing */
    p->signal.allow_missing_leads = options->allow_missing_leads;
    p->signal.assume_mv_per_unit = options->assume_mv_per_unit;
    const size_t W = m->input.n_windows;
    p->packed = shn_alloc(SHN_LEADS * (size_t)m->input.n_samples, sizeof *p->packed);
    p->x = shn_alloc_aligned(W * m->input.window * SHN_LEADS, sizeof *p->x);
    p->z = shn_alloc(W * m->E, sizeof *p->z);
    p->scores = shn_alloc(m->K, sizeof *p->scores);
    shn_status st = p->packed && p->x && p->z && p->scores ? SHN_OK : shn_fail_nomem(err, "predict");
    if (st == SHN_OK) st = shn_readout_space_new(m, r, NULL, NULL, &p->space, err);
    if (st == SHN_OK) st = shn_model_engine(m, W, engine, &p->engine, err);
    if (st != SHN_OK) {
        shn_predictor_free(p);
        return st;
    }
    *out = p;
    return SHN_OK;
}

void shn_predictor_free(shn_predictor *p)
{
    if (!p) return;
    shn_engine_free(p->engine);
    shn_readout_space_free(p->space);
    free(p->packed);
    free(p->x);
    free(p->z);
    free(p->scores);
    free(p);
}

static int by_probability(const void *a, const void *b)
{
    const shn_prediction *p = a, *q = b;
    if (p->probability != q->probability) return p->probability < q->probability ? 1 : -1;
    if (p->score != q->score) return p->score < q->score ? 1 : -1;
    return p->finding < q->finding ? -1 : p->finding > q->finding;
}

/** Scores become probabilities by the fitted calibration; an unfitted model gives the plain logistic and threshold 0.5. */
static void to_predictions(const shn_model *m, shn_readout r, const float *scores, shn_prediction *out)
{
    const shn_calibration *c = &m->calibration[r];
    for (size_t k = 0; k < m->K; k++) {
        const double logit = c->fitted ? (double)c->slope[k] * scores[k] + c->intercept[k] : scores[k];
        shn_prediction *p = &out[k];
        *p = (shn_prediction){ .finding = k, .score = scores[k], .probability = (float)(1 / (1 + exp(-logit))),
                               .threshold = c->fitted ? c->threshold[k] : 0.5f };
        p->positive = p->probability >= p->threshold;
    }
    qsort(out, m->K, sizeof *out, by_probability);
}

shn_status shn_predict(shn_predictor *p, const shn_record *rec, shn_prediction *out, shn_record **canonical, float *z, shn_error *err)
{
    const shn_model *m = p->model;
    const size_t     W = m->input.n_windows;
    shn_record      *canon = NULL;
    float            offset_uv[SHN_LEADS];
    uint32_t         n_clipped[SHN_LEADS];

    if (canonical) *canonical = NULL;
    shn_status st = shn_record_canonical(rec, &p->signal, &canon, err);
    if (st != SHN_OK) return st;
    shn_packed row = { .signal = p->packed, .offset_uv = offset_uv, .uv_per_unit = 1, .n_samples = m->input.n_samples };
    row.n_valid = shn_pack_record(canon, shn_pack_central_start(canon, row.n_samples), row.n_samples, row.uv_per_unit, p->packed,
                                  n_clipped, offset_uv);
    for (size_t w = 0; w < W; w++)
        shn_window_fill(&m->input, &row, shn_window_start(&m->input, row.n_valid, w), p->x + w * m->input.window * SHN_LEADS);
    st = shn_engine_embed(p->engine, p->x, W, p->z, err);
    if (st == SHN_OK) st = shn_readout_space_scores(p->space, p->z, 1, p->scores, err);
    if (st != SHN_OK) goto cleanup;
    to_predictions(m, p->readout, p->scores, out);
    if (z) memcpy(z, p->z, W * m->E * sizeof *z);
    if (canonical) {
        *canonical = canon;
        canon = NULL;
    }
cleanup:
    shn_record_free(canon);
    return st;
}
