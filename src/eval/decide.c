#include "eval/decide.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"
#include "eval/rank.h"

enum { PURPOSE_FOLDS = 0x666f6c64 /* "fold" */ };

static int decisions_alloc(decisions *d, size_t cells)
{
    memset(d, 0, sizeof *d);
    float **const all[] = { &d->score, &d->probability, &d->uncalibrated, &d->at_05, &d->at_f1, &d->at_f1_macro, &d->at_f1_sample, &d->at_jaccard, &d->at_label, &d->at_prevalence };
    int ok = 1;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) ok &= (*all[i] = shn_alloc(cells, sizeof(float))) != NULL;
    return ok;
}

void decisions_free(decisions *d)
{
    free(d->score);
    free(d->probability);
    free(d->uncalibrated);
    free(d->at_05);
    free(d->at_f1);
    free(d->at_f1_macro);
    free(d->at_f1_sample);
    free(d->at_jaccard);
    free(d->at_label);
    free(d->at_prevalence);
    memset(d, 0, sizeof *d);
}

/** Decides record i by a calibration; d->probability of it is filled. An unfitted one has 0.5 for every threshold. */
static void decide_record(const shn_calibration *c, size_t i, size_t K, decisions *d)
{
    for (size_t k = 0; k < K; k++) {
        const size_t at = i * K + k;
        const float  p = d->probability[at];
        d->at_05[at] = p >= 0.5f;
        d->at_f1[at] = p >= (c->fitted ? c->threshold_f1_micro : 0.5f);
        d->at_f1_macro[at] = p >= (c->fitted ? c->threshold_f1_macro : 0.5f);
        d->at_f1_sample[at] = p >= (c->fitted ? c->threshold_f1_sample : 0.5f);
        d->at_jaccard[at] = p >= (c->fitted ? c->threshold_jaccard : 0.5f);
        d->at_label[at] = p >= (c->fitted ? c->threshold[k] : 0.5f);
        d->at_prevalence[at] = p >= (c->fitted ? c->threshold_prevalence[k] : 0.5f);
    }
}

shn_status decide_with(const shn_calibration *c, const float *score, size_t n, size_t K, decisions *out, shn_error *err)
{
    const shn_calibration none = { 0 };
    if (!decisions_alloc(out, n * K)) {
        decisions_free(out);
        return shn_fail_nomem(err, "eval.decide");
    }
    memcpy(out->score, score, n * K * sizeof *score);
    shn_calibration_apply(c, score, n, K, out->probability);
    shn_calibration_apply(&none, score, n, K, out->uncalibrated);
    for (size_t i = 0; i < n; i++) decide_record(c, i, K, out);
    return SHN_OK;
}

int decide_folds(const uint32_t *patient, size_t n, size_t n_patients, uint64_t seed, uint8_t *fold)
{
    if (n_patients < DECIDE_FOLDS) return 0;
    uint32_t *place = shn_alloc(n_patients, sizeof *place);
    if (!place) return -1;
    shn_rng r = shn_rng_stream(seed, PURPOSE_FOLDS, 0, 0);
    for (size_t p = 0; p < n_patients; p++) place[p] = (uint32_t)p;
    shn_rng_shuffle(&r, place, n_patients);
    for (size_t i = 0; i < n; i++) fold[i] = (uint8_t)(place[patient[i]] % DECIDE_FOLDS);
    free(place);
    return 1;
}

/** Macro AUROC over the records in use, the others counting as unknown. */
static double auroc_in_use(const float *score, const uint8_t *label, const uint8_t *known, const uint8_t *use, size_t n, size_t K, uint8_t *scratch,
                           uint32_t *order)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < K; k++) scratch[i * K + k] = use[i] && known[i * K + k];
    const shn_scored s = { score, label, scratch, n, K };
    return shn_auroc_macro_using(&s, order);
}

static size_t best_candidate(float *const *scores, size_t n_candidates, const uint8_t *label, const uint8_t *known, const uint8_t *use,
                             size_t n, size_t K, uint8_t *scratch, uint32_t *order)
{
    size_t best = 0;
    double top = -1;
    for (size_t c = 0; n_candidates > 1 && c < n_candidates; c++) {
        const double auroc = auroc_in_use(scores[c], label, known, use, n, K, scratch, order);
        if (auroc > top) {
            top = auroc;
            best = c;
        }
    }
    return best;
}

/** Fills one fold's records from a calibration fitted on the others. */
static void fill_fold(const shn_calibration *c, const float *score, const uint8_t *use, size_t n, size_t K, decisions *out)
{
    const shn_calibration none = { 0 };
    for (size_t i = 0; i < n; i++) {
        if (use[i]) continue;
        memcpy(out->score + i * K, score + i * K, K * sizeof *score);
        shn_calibration_apply(c, score + i * K, 1, K, out->probability + i * K);
        shn_calibration_apply(&none, score + i * K, 1, K, out->uncalibrated + i * K);
        decide_record(c, i, K, out);
    }
}

shn_status decide_cross_fitted(const shn_readout *candidates, float *const *scores, size_t n_candidates, const uint8_t *label,
                               const uint8_t *known, const uint8_t *fold, size_t n, size_t K, const double *prevalence, decisions *out,
                               shn_error *err)
{
    shn_calibration c = { 0 };
    uint8_t   *use = shn_alloc(n, 1), *scratch = shn_alloc(n * K, 1);
    uint32_t  *order = shn_alloc(n, sizeof *order);
    shn_status st = decisions_alloc(out, n * K) && use && scratch && order && shn_calibration_alloc(&c, K) ? SHN_OK : shn_fail_nomem(err, "eval.decide");
    for (int f = 0; f < DECIDE_FOLDS && st == SHN_OK; f++) {
        for (size_t i = 0; i < n; i++) use[i] = fold[i] != f;
        const size_t best = best_candidate(scores, n_candidates, label, known, use, n, K, scratch, order);
        if (f == 0) out->readout = candidates[best];
        else if (out->readout != candidates[best]) out->mixed_readouts = 1;
        const shn_scored raw = { scores[best], label, known, n, K };
        st = shn_calibration_fit(&raw, use, prevalence, &c, err);
        if (st == SHN_OK) fill_fold(&c, scores[best], use, n, K, out);
    }
    for (size_t i = 0; st == SHN_OK && out->mixed_readouts && i < n * K; i++) {     /* one scale for scores of different read-outs */
        const double p = fmin(fmax(out->probability[i], 1e-7), 1 - 1e-7);
        out->score[i] = (float)log(p / (1 - p));
    }
    free(use);
    free(scratch);
    free(order);
    shn_calibration_release(&c);
    if (st != SHN_OK) decisions_free(out);
    return st;
}
