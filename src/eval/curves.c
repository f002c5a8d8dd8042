#include "eval/curves.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"
#include "eval/bootstrap.h"
#include "eval/rank.h"

enum { PURPOSE_CURVE_SEEDS = 0x63757276 /* "curv" */, HIT_SETS = 2 * CURVES_TOP + 2 * CURVES_LISTS };
/* places of a resample's values */
enum { AT_ROC = 0, AT_PR = AT_ROC + CURVES_GRID, AT_BIN_Y = AT_PR + CURVES_GRID, AT_BIN_X = AT_BIN_Y + CURVES_BINS, AT_SHARE = AT_BIN_X + CURVES_BINS,
       AT_HIT = AT_SHARE + CURVES_BINS, WIDTH = AT_HIT + HIT_SETS };

/** What does not depend on the weights, of one seed. */
typedef struct seed_data {
    const summary_input *in;
    size_t   *start;                        /* [n_findings + 1] into ranked */
    uint32_t *ranked;                       /* records by score downwards: record << 2 | true << 1 | last of equal scores */
    uint8_t  *hit;                          /* [HIT_SETS][n] as shn_top_k_records */
} seed_data;

typedef struct work {
    size_t     n_seeds, n_findings, n_top, n_lists;
    uint32_t  *finding;                     /* [n_findings] columns of the macro curves */
    size_t     list_size[CURVES_LISTS];
    seed_data *seed;
    uint64_t   seed_of_seeds;
} work;

static void release(work *w)
{
    for (size_t s = 0; w->seed && s < w->n_seeds; s++) {
        free(w->seed[s].start);
        free(w->seed[s].ranked);
        free(w->seed[s].hit);
    }
    free(w->seed);
    free(w->finding);
}

/* ---- preparation ---- */

static int has_both(const summary_input *in, size_t k)
{
    int seen = 0;
    for (size_t i = 0; i < in->n && seen != 3; i++)
        if (in->known[i * in->K + k]) seen |= in->label[i * in->K + k] ? 1 : 2;
    return seen == 3;
}

/** Findings with 10 positives in training; all that can be ranked where there is none (left-out findings have none at all). */
static shn_status choose_findings(const summary_input *in, work *w, shn_error *err)
{
    w->finding = shn_alloc(in->K, sizeof *w->finding);
    if (!w->finding) return shn_fail_nomem(err, "eval.curves");
    for (uint32_t least = 10; w->n_findings == 0; least = 0) {
        for (size_t k = 0; k < in->K; k++)
            if (in->n_pos_train[k] >= least && has_both(in, k)) w->finding[w->n_findings++] = (uint32_t)k;
        if (least == 0) break;
    }
    return SHN_OK;
}

static shn_status rank_findings(const work *w, seed_data *d, uint32_t *order, shn_error *err)
{
    const summary_input *in = d->in;
    const shn_scored     view = { in->score, in->label, in->known, in->n, in->K };
    d->start = shn_alloc(w->n_findings + 1, sizeof *d->start);
    d->ranked = shn_alloc(w->n_findings * in->n, sizeof *d->ranked);
    if (!d->start || !d->ranked) return shn_fail_nomem(err, "eval.curves");
    for (size_t f = 0; f < w->n_findings; f++) {
        const size_t k = w->finding[f], n = shn_rank_known(&view, k, order);
        uint32_t    *to = d->ranked + d->start[f];
        for (size_t i = 0; i < n; i++) {
            const uint32_t r = order[n - 1 - i];
            const int      last = i + 1 == n || in->score[order[n - 2 - i] * in->K + k] != in->score[r * in->K + k];
            to[i] = r << 2 | (uint32_t)(in->label[r * in->K + k] != 0) << 1 | (uint32_t)last;
        }
        d->start[f + 1] = d->start[f] + n;
    }
    return SHN_OK;
}

/** 2, 5, 10, 20 ... candidates, and all. */
static size_t choose_lists(size_t K, size_t *size)
{
    static const size_t steps[] = { 2, 5, 10, 15, 20, 30, 50, 75, 100, 150, 200 };
    size_t n = 0;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && steps[i] < K; i++) size[n++] = steps[i];
    size[n++] = K;
    return n;
}

/** candidate [K]: the `size` findings commonest in training, ties by column. */
static void commonest(const summary_input *in, size_t size, uint8_t *candidate)
{
    for (size_t k = 0; k < in->K; k++) {
        size_t before = 0;
        for (size_t o = 0; o < in->K; o++) before += in->n_pos_train[o] > in->n_pos_train[k] || (in->n_pos_train[o] == in->n_pos_train[k] && o < k);
        candidate[k] = before < size;
    }
}

static shn_status find_hits(const work *w, seed_data *d, uint8_t *candidate, shn_error *err)
{
    const summary_input *in = d->in;
    const shn_scored     view = { in->score, in->label, in->known, in->n, in->K };
    d->hit = shn_alloc(HIT_SETS * in->n, 1);
    if (!d->hit) return shn_fail_nomem(err, "eval.curves");
    memset(d->hit, 2, HIT_SETS * in->n);
    for (size_t k = 0; k < w->n_top; k++) {
        shn_top_k_records(&view, k + 1, NULL, d->hit + 2 * k * in->n, NULL);
        shn_top_k_records(&view, k + 1, in->specific, d->hit + (2 * k + 1) * in->n, NULL);
    }
    for (size_t l = 0; l < w->n_lists; l++) {
        commonest(in, w->list_size[l], candidate);
        shn_top_k_records(&view, 1, candidate, d->hit + (2 * CURVES_TOP + 2 * l) * in->n, NULL);
        shn_top_k_records(&view, 5, candidate, d->hit + (2 * CURVES_TOP + 2 * l + 1) * in->n, NULL);
    }
    return SHN_OK;
}

static shn_status prepare(const summary_input *in, size_t n_seeds, work *w, shn_error *err)
{
    *w = (work){ .n_seeds = n_seeds, .n_top = in->K < CURVES_TOP ? in->K : CURVES_TOP, .seed_of_seeds = in->seed };
    w->n_lists = choose_lists(in->K, w->list_size);
    w->seed = shn_alloc(n_seeds, sizeof *w->seed);
    uint32_t  *order = shn_alloc(in->n, sizeof *order);
    uint8_t   *candidate = shn_alloc(in->K, 1);
    shn_status st = w->seed && order && candidate ? choose_findings(in, w, err) : shn_fail_nomem(err, "eval.curves");
    for (size_t s = 0; s < n_seeds && st == SHN_OK; s++) {
        w->seed[s].in = &in[s];
        st = rank_findings(w, &w->seed[s], order, err);
        if (st == SHN_OK) st = find_hits(w, &w->seed[s], candidate, err);
    }
    free(order);
    free(candidate);
    return st;
}

/* ---- one resample ---- */

/** Adds one finding's curves; 0 if the resample has no positive or no negative of it. */
static int add_finding(const uint32_t *ranked, size_t n, const double *weight, double times, double *roc, double *pr)
{
    double P = 0, N = 0, tp = 0, fp = 0, tp_before = 0, fp_before = 0;
    size_t g_roc = 0, g_pr = 0;
    for (size_t i = 0; i < n; i++) *(ranked[i] & 2 ? &P : &N) += weight[ranked[i] >> 2];
    if (P <= 0 || N <= 0) return 0;
    for (size_t i = 0; i < n; i++) {
        *(ranked[i] & 2 ? &tp : &fp) += weight[ranked[i] >> 2];
        if (!(ranked[i] & 1)) continue;
        for (; g_roc < CURVES_GRID; g_roc++) {          /* where the curve is vertical its top counts: that is found from the next piece on */
            const double x = (double)g_roc / (CURVES_GRID - 1) * N;
            if (x >= fp) break;
            roc[g_roc] += times * (tp_before + (tp - tp_before) * (x - fp_before) / (fp - fp_before)) / P;
        }
        for (; tp > 0 && g_pr < CURVES_GRID && tp >= (double)g_pr / (CURVES_GRID - 1) * P - 1e-9 * P; g_pr++)
            pr[g_pr] += times * tp / (tp + fp);
        tp_before = tp;
        fp_before = fp;
    }
    for (; g_roc < CURVES_GRID; g_roc++) roc[g_roc] += times;
    return 1;
}

/** Numerators and denominators of one seed, `times` as heavy. */
typedef struct totals { double n_findings, bin_count[CURVES_BINS], bin_sum[CURVES_BINS], bin_true[CURVES_BINS], hits[HIT_SETS], asked[HIT_SETS]; } totals;

static void add_seed(const work *w, const seed_data *d, double times, const double *weight, double *value, totals *t)
{
    const summary_input *in = d->in;
    for (size_t f = 0; f < w->n_findings; f++)
        t->n_findings += times * add_finding(d->ranked + d->start[f], d->start[f + 1] - d->start[f], weight, times, value + AT_ROC, value + AT_PR);
    for (size_t i = 0; i < in->n; i++) {
        if (weight[i] <= 0) continue;
        const double by = times * weight[i];
        for (size_t at = i * in->K; at < (i + 1) * in->K; at++) {
            if (!in->known[at]) continue;
            const int b = shn_ece_bin(in->probability[at]);
            t->bin_count[b] += by;
            t->bin_sum[b] += by * in->probability[at];
            t->bin_true[b] += by * in->label[at];
        }
        for (size_t h = 0; h < HIT_SETS; h++) {
            const uint8_t hit = d->hit[h * in->n + i];
            t->asked[h] += by * (hit != 2);
            t->hits[h] += by * (hit == 1);
        }
    }
}

static void finish(const totals *t, double *value)
{
    double all = 0;
    for (int b = 0; b < CURVES_BINS; b++) all += t->bin_count[b];
    for (int g = 0; g < 2 * CURVES_GRID; g++) value[g] = t->n_findings > 0 ? value[g] / t->n_findings : NAN;
    for (int b = 0; b < CURVES_BINS; b++) {
        value[AT_BIN_Y + b] = t->bin_count[b] > 0 ? t->bin_true[b] / t->bin_count[b] : NAN;
        value[AT_BIN_X + b] = t->bin_count[b] > 0 ? t->bin_sum[b] / t->bin_count[b] : NAN;
        value[AT_SHARE + b] = all > 0 ? t->bin_count[b] / all : NAN;
    }
    for (int h = 0; h < HIT_SETS; h++) value[AT_HIT + h] = t->asked[h] > 0 ? t->hits[h] / t->asked[h] : NAN;
}

static void resample(const void *context, uint32_t number, const double *weight, double *scratch, double *value)
{
    const work *w = context;
    totals      t = { 0 };
    shn_rng     rng = shn_rng_stream(w->seed_of_seeds, PURPOSE_CURVE_SEEDS, number, 0);
    memset(value, 0, WIDTH * sizeof *value);
    memset(scratch, 0, w->n_seeds * sizeof *scratch);
    for (size_t i = 0; i < w->n_seeds; i++) scratch[shn_rng_below(&rng, w->n_seeds)]++;
    for (size_t s = 0; s < w->n_seeds; s++)
        if (scratch[s] > 0) add_seed(w, &w->seed[s], scratch[s], weight, value, &t);
    finish(&t, value);
}

/* ---- result ---- */

static curves_point point_of(double x, size_t at, const double *value, const bootstrap_interval *spread)
{
    return (curves_point){ x, value[at], isnan(value[at]) ? NAN : spread[at].low, isnan(value[at]) ? NAN : spread[at].high };
}

static void fill(const work *w, const double *value, const bootstrap_interval *spread, curves *out)
{
    memset(out, 0, sizeof *out);
    out->n_findings = w->n_findings;
    for (size_t g = 0; g < CURVES_GRID; g++) {
        const double x = (double)g / (CURVES_GRID - 1);
        out->roc[g] = point_of(x, AT_ROC + g, value, spread);
        out->pr[g] = point_of(x, AT_PR + g, value, spread);
    }
    for (size_t b = 0; b < CURVES_BINS; b++) {
        out->reliability[b] = point_of(isnan(value[AT_BIN_X + b]) ? 0 : value[AT_BIN_X + b], AT_BIN_Y + b, value, spread);
        out->share[b] = value[AT_SHARE + b];
    }
    out->n_top = w->n_top;
    for (size_t k = 0; k < w->n_top; k++) {
        out->top[k] = point_of((double)(k + 1), AT_HIT + 2 * k, value, spread);
        out->top_specific[k] = point_of((double)(k + 1), AT_HIT + 2 * k + 1, value, spread);
    }
    out->n_lists = w->n_lists;
    for (size_t l = 0; l < w->n_lists; l++) {
        out->list_top1[l] = point_of((double)w->list_size[l], AT_HIT + 2 * CURVES_TOP + 2 * l, value, spread);
        out->list_top5[l] = point_of((double)w->list_size[l], AT_HIT + 2 * CURVES_TOP + 2 * l + 1, value, spread);
    }
}

shn_status curves_make(const summary_input *in, size_t n_seeds, const shn_watcher *watcher, curves *out, shn_error *err)
{
    work w;
    const bootstrap_plan plan = { .patient = in->patient, .n = in->n, .n_patients = in->n_patients, .seed = in->seed, .n_threads = in->n_threads, .width = WIDTH,
                                  .n_resamples = in->n_bootstrap < CURVES_RESAMPLES ? in->n_bootstrap : CURVES_RESAMPLES, .scratch = n_seeds };
    bootstrap_interval spread[WIDTH];
    double     value[WIDTH] = { 0 };
    totals     t = { 0 };
    double    *ones = shn_alloc(in->n, sizeof *ones);
    shn_status st = prepare(in, n_seeds, &w, err);
    if (st == SHN_OK && !ones) st = shn_fail_nomem(err, "eval.curves");
    if (st == SHN_OK) {
        for (size_t i = 0; i < in->n; i++) ones[i] = 1;
        for (size_t s = 0; s < n_seeds; s++) add_seed(&w, &w.seed[s], 1, ones, value, &t);
        finish(&t, value);
        st = bootstrap_run(&plan, resample, &w, watcher, spread, err);
    }
    if (st == SHN_OK) fill(&w, value, spread, out);
    free(ones);
    release(&w);
    return st;
}
