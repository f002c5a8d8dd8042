#include "eval/summary.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"
#include "base/threads.h"
#include "eval/rank.h"

enum { PURPOSE_BOOTSTRAP = 0x626f6f74 /* "boot" */, AUROC_MACRO_MIN = 10 };

const char *summary_metric_name(int metric)
{
#define X(name) #name,
    static const char *const names[] = { SUMMARY_METRICS(X) };
#undef X
    return names[metric];
}

/** What does not depend on the weights: sorted columns and hits. */
typedef struct prepared {
    const summary_input *in;
    uint32_t *order;                    /* [K][n] */
    size_t   *n_known;                  /* [K] */
    uint8_t  *hit[4];                   /* [n] each: top1, top5, top1_specific, top5_specific */
    float    *recall5;                  /* [n] */
    float    *half;                     /* [K] thresholds 0.5 for decision matrices */
} prepared;

static shn_scored view(const summary_input *in, const float *score) { return (shn_scored){ score, in->label, in->known, in->n, in->K }; }

static void prepared_free(prepared *p)
{
    free(p->order);
    free(p->n_known);
    for (int h = 0; h < 4; h++) free(p->hit[h]);
    free(p->recall5);
    free(p->half);
}

static shn_status prepare(const summary_input *in, prepared *p, shn_error *err)
{
    memset(p, 0, sizeof *p);
    p->in = in;
    p->order = shn_alloc(in->n * in->K, sizeof *p->order);
    p->n_known = shn_alloc(in->K, sizeof *p->n_known);
    p->recall5 = shn_alloc(in->n, sizeof *p->recall5);
    p->half = shn_alloc(in->K, sizeof *p->half);
    for (int h = 0; h < 4; h++) p->hit[h] = shn_alloc(in->n, 1);
    if (!p->order || !p->n_known || !p->recall5 || !p->half || !p->hit[0] || !p->hit[1] || !p->hit[2] || !p->hit[3])
        return shn_fail_nomem(err, "eval.summary");
    const shn_scored s = view(in, in->score);
    for (size_t k = 0; k < in->K; k++) {
        p->n_known[k] = shn_rank_known(&s, k, p->order + k * in->n);
        p->half[k] = 0.5f;
    }
    shn_top_k_records(&s, 1, NULL, p->hit[0], NULL);
    shn_top_k_records(&s, 5, NULL, p->hit[1], p->recall5);
    shn_top_k_records(&s, 1, in->specific, p->hit[2], NULL);
    shn_top_k_records(&s, 5, in->specific, p->hit[3], NULL);
    return SHN_OK;
}

static double weighted_hits(const uint8_t *hit, size_t n, const double *weight)
{
    double hits = 0, total = 0;
    for (size_t i = 0; i < n; i++) {
        if (hit[i] == 2) continue;
        const double w = weight ? weight[i] : 1;
        hits += hit[i] ? w : 0;
        total += w;
    }
    return total > 0 ? hits / total : NAN;
}

static double weighted_recall(const prepared *p, const double *weight)
{
    double sum = 0, total = 0;
    for (size_t i = 0; i < p->in->n; i++) {
        if (p->hit[1][i] == 2) continue;
        const double w = weight ? weight[i] : 1;
        sum += w * p->recall5[i];
        total += w;
    }
    return total > 0 ? sum / total : NAN;
}

/** auroc, auprc [K] and their macro means over findings with both classes. */
static void ranking(const prepared *p, const double *weight, double *metric, double *auroc, double *auprc)
{
    const summary_input *in = p->in;
    double sum[4] = { 0 };
    size_t n[2] = { 0 };
    for (size_t k = 0; k < in->K; k++) {
        const uint32_t *order = p->order + k * in->n;
        auroc[k] = shn_auroc_ranked(in->score + k, in->label + k, in->K, order, p->n_known[k], weight);
        auprc[k] = isnan(auroc[k]) ? NAN : shn_average_precision_ranked(in->score + k, in->label + k, in->K, order, p->n_known[k], weight);
        if (isnan(auroc[k])) continue;
        sum[0] += auroc[k];
        sum[1] += auprc[k];
        n[0]++;
        if (in->n_pos_train[k] < AUROC_MACRO_MIN) continue;
        sum[2] += auroc[k];
        sum[3] += auprc[k];
        n[1]++;
    }
    metric[METRIC_auroc_macro] = n[0] ? sum[0] / (double)n[0] : NAN;
    metric[METRIC_auprc_macro] = n[0] ? sum[1] / (double)n[0] : NAN;
    metric[METRIC_auroc_macro_10] = n[1] ? sum[2] / (double)n[1] : NAN;
    metric[METRIC_auprc_macro_10] = n[1] ? sum[3] / (double)n[1] : NAN;
}

static void compute(const prepared *p, const double *weight, double *metric, double *auroc, double *auprc)
{
    const summary_input *in = p->in;
    ranking(p, weight, metric, auroc, auprc);
    const shn_scored at_05 = view(in, in->at_05), at_f1 = view(in, in->at_f1), at_jaccard = view(in, in->at_jaccard);
    const shn_scored at_label = view(in, in->at_label), at_prevalence = view(in, in->at_prevalence);
    const shn_f1 half = shn_f1_weighted(&at_05, p->half, weight), tuned = shn_f1_weighted(&at_f1, p->half, weight);
    const shn_f1 jaccard = shn_f1_weighted(&at_jaccard, p->half, weight), label = shn_f1_weighted(&at_label, p->half, weight);
    metric[METRIC_f1_micro_05] = half.micro;
    metric[METRIC_f1_macro_05] = half.macro;
    metric[METRIC_f1_sample_05] = half.sample;
    metric[METRIC_jaccard_sample_05] = half.jaccard_sample;
    metric[METRIC_f1_micro_tuned] = tuned.micro;
    metric[METRIC_f1_macro_tuned] = tuned.macro;
    metric[METRIC_f1_sample_tuned] = tuned.sample;
    metric[METRIC_jaccard_sample] = jaccard.jaccard_sample;
    metric[METRIC_jaccard_micro] = jaccard.jaccard_micro;
    metric[METRIC_f1_micro_per_label] = label.micro;
    metric[METRIC_f1_macro_per_label] = label.macro;
    metric[METRIC_f1_micro_prevalence] = shn_f1_weighted(&at_prevalence, p->half, weight).micro;
    metric[METRIC_top1] = weighted_hits(p->hit[0], in->n, weight);
    metric[METRIC_top5] = weighted_hits(p->hit[1], in->n, weight);
    metric[METRIC_top1_specific] = weighted_hits(p->hit[2], in->n, weight);
    metric[METRIC_top5_specific] = weighted_hits(p->hit[3], in->n, weight);
    metric[METRIC_recall_at_5] = weighted_recall(p, weight);
    const shn_scored raw = view(in, in->uncalibrated), calibrated = view(in, in->probability);
    metric[METRIC_ece_raw] = shn_ece_weighted(&raw, weight);
    metric[METRIC_ece] = shn_ece_weighted(&calibrated, weight);
}

/* ---- bootstrap by patient ---- */

typedef struct bootstrap {
    const prepared *p;
    double  *value;                     /* [n_bootstrap][METRIC_COUNT + 2 K] */
    double  *weight;                    /* [threads][n] */
    uint32_t *times;                    /* [threads][n_patients] */
    const shn_watcher *watcher;
    atomic_size_t done;
    atomic_int    stop;
} bootstrap;

/** Resample number r: patients drawn with replacement, each record weighing as often as its patient was drawn. */
static void resample(const summary_input *in, uint32_t r, uint32_t *times, double *weight)
{
    shn_rng rng = shn_rng_stream(in->seed, PURPOSE_BOOTSTRAP, r, 0);
    memset(times, 0, in->n_patients * sizeof *times);
    for (size_t i = 0; i < in->n_patients; i++) times[shn_rng_below(&rng, in->n_patients)]++;
    for (size_t i = 0; i < in->n; i++) weight[i] = times[in->patient[i]];
}

static void bootstrap_part(void *context, unsigned thread, unsigned n_threads)
{
    bootstrap           *b = context;
    const summary_input *in = b->p->in;
    const size_t         width = METRIC_COUNT + 2 * in->K;
    double              *weight = b->weight + thread * in->n;
    for (uint32_t r = thread; r < in->n_bootstrap && !atomic_load(&b->stop); r += n_threads) {
        double *value = b->value + r * width;
        resample(in, r, b->times + thread * in->n_patients, weight);
        compute(b->p, weight, value, value + METRIC_COUNT, value + METRIC_COUNT + in->K);
        const size_t done = atomic_fetch_add(&b->done, 1) + 1;
        if (thread != 0 || !b->watcher || !b->watcher->fn) continue;
        const shn_progress progress = { .what = "bootstrap", .done = done, .total = in->n_bootstrap, .unit = "resamples" };
        if (b->watcher->fn(b->watcher->context, &progress) != 0) atomic_store(&b->stop, 1);
    }
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/** Percentile of sorted values, linear between neighbours (numpy's default). */
static double percentile(const double *sorted, size_t n, double share)
{
    const double at = share * (double)(n - 1);
    const size_t i = (size_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

static void interval(const bootstrap *b, size_t column, double *scratch, summary_value *out)
{
    const summary_input *in = b->p->in;
    const size_t width = METRIC_COUNT + 2 * in->K;
    size_t n = 0;
    for (uint32_t r = 0; r < in->n_bootstrap; r++)
        if (!isnan(b->value[r * width + column])) scratch[n++] = b->value[r * width + column];
    out->n_undefined = in->n_bootstrap - (uint32_t)n;
    out->low = out->high = NAN;
    if (n == 0 || isnan(out->value)) return;
    qsort(scratch, n, sizeof *scratch, by_value);
    out->low = percentile(scratch, n, 0.025);
    out->high = percentile(scratch, n, 0.975);
}

static shn_status run_bootstrap(const prepared *p, const shn_watcher *watcher, summary *out, shn_error *err)
{
    const summary_input *in = p->in;
    shn_team  *team = NULL;
    bootstrap  b = { .p = p, .watcher = watcher };
    shn_status st = shn_team_new(in->n_threads, &team, err);
    if (st != SHN_OK) return st;
    const unsigned n_threads = shn_team_size(team);
    double *scratch = shn_alloc(in->n_bootstrap, sizeof *scratch);
    b.value = shn_alloc((size_t)in->n_bootstrap * (METRIC_COUNT + 2 * in->K), sizeof *b.value);
    b.weight = shn_alloc(n_threads * in->n, sizeof *b.weight);
    b.times = shn_alloc(n_threads * in->n_patients, sizeof *b.times);
    if (scratch && b.value && b.weight && b.times) shn_team_run(team, bootstrap_part, &b);
    else st = shn_fail_nomem(err, "eval.bootstrap");
    if (st == SHN_OK && atomic_load(&b.stop)) st = shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "eval.bootstrap", "stopped by the caller");
    for (size_t j = 0; j < METRIC_COUNT && st == SHN_OK; j++) interval(&b, j, scratch, &out->metric[j]);
    for (size_t k = 0; k < in->K && st == SHN_OK; k++) {
        interval(&b, METRIC_COUNT + k, scratch, &out->auroc[k]);
        interval(&b, METRIC_COUNT + in->K + k, scratch, &out->auprc[k]);
    }
    free(scratch);
    free(b.value);
    free(b.weight);
    free(b.times);
    shn_team_free(team);
    return st;
}

shn_status summary_make(const summary_input *in, const shn_watcher *watcher, summary *out, shn_error *err)
{
    prepared p;
    double   metric[METRIC_COUNT];
    memset(out, 0, sizeof *out);
    shn_status st = prepare(in, &p, err);
    double *point = shn_alloc(2 * in->K, sizeof *point);
    out->auroc = shn_alloc(in->K, sizeof *out->auroc);
    out->auprc = shn_alloc(in->K, sizeof *out->auprc);
    if (st == SHN_OK && (!point || !out->auroc || !out->auprc)) st = shn_fail_nomem(err, "eval.summary");
    if (st == SHN_OK) {
        compute(&p, NULL, metric, point, point + in->K);
        for (int j = 0; j < METRIC_COUNT; j++) out->metric[j] = (summary_value){ metric[j], NAN, NAN, 0 };
        for (size_t k = 0; k < in->K; k++) {
            out->auroc[k] = (summary_value){ point[k], NAN, NAN, 0 };
            out->auprc[k] = (summary_value){ point[in->K + k], NAN, NAN, 0 };
        }
        if (in->n_bootstrap) st = run_bootstrap(&p, watcher, out, err);
    }
    free(point);
    prepared_free(&p);
    if (st != SHN_OK) summary_free(out);
    return st;
}

void summary_free(summary *s)
{
    free(s->auroc);
    free(s->auprc);
    memset(s, 0, sizeof *s);
}
