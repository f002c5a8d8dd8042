#include "eval/calibrate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

int shn_calibration_alloc(shn_calibration *c, size_t K)
{
    c->slope = shn_alloc(K, sizeof *c->slope);
    c->intercept = shn_alloc(K, sizeof *c->intercept);
    c->threshold = shn_alloc(K, sizeof *c->threshold);
    c->threshold_prevalence = shn_alloc(K, sizeof *c->threshold_prevalence);
    return c->slope && c->intercept && c->threshold && c->threshold_prevalence;
}

void shn_calibration_release(shn_calibration *c)
{
    free(c->slope);
    free(c->intercept);
    free(c->threshold);
    free(c->threshold_prevalence);
    memset(c, 0, sizeof *c);
}

static double logistic(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

void shn_calibration_apply(const shn_calibration *c, const float *raw, size_t n, size_t K, float *probability)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < K; k++)
            probability[i * K + k] = (float)logistic(c->fitted ? (double)c->slope[k] * raw[i * K + k] + c->intercept[k] : raw[i * K + k]);
}

/* ---- slopes and intercepts ---- */

/** One finding's known entries, compact. */
typedef struct column { float *score; uint8_t *label; size_t n, n_pos; } column;

static size_t take_column(const shn_scored *s, const uint8_t *use, size_t k, column *c)
{
    c->n = c->n_pos = 0;
    for (size_t i = 0; i < s->n; i++) {
        if ((use && !use[i]) || !s->known[i * s->K + k]) continue;
        c->score[c->n] = s->score[i * s->K + k];
        c->label[c->n++] = s->label[i * s->K + k];
        c->n_pos += s->label[i * s->K + k];
    }
    return c->n;
}

static double smoothed_prevalence(const column *c) { return ((double)c->n_pos + 0.5) / ((double)c->n + 1); }

/** The intercept for which the mean probability is `target`: Newton steps kept inside a shrinking bracket. */
static double solve_intercept(const column *c, double slope, double target)
{
    double low = -60, high = 60, b = log(target / (1 - target));
    for (size_t i = 0; i < c->n; i++) b -= slope * c->score[i] / (double)c->n;
    if (!(b > low && b < high)) {
        low = b - 120;
        high = b + 120;
    }
    for (int step = 0; step < 60; step++) {
        double mean = 0, slope_of_mean = 0;
        for (size_t i = 0; i < c->n; i++) {
            const double p = logistic(slope * c->score[i] + b);
            mean += p;
            slope_of_mean += p * (1 - p);
        }
        const double excess = mean / (double)c->n - target;
        if (fabs(excess) < 1e-10) break;
        if (excess > 0) high = b;
        else low = b;
        const double next = slope_of_mean > 1e-300 ? b - excess * (double)c->n / slope_of_mean : low - 1;
        b = next > low && next < high ? next : 0.5 * (low + high);
    }
    return b;
}

/** Negative log-likelihood of a finding at a slope, its intercept solved. */
static double column_loss(const column *c, double slope)
{
    const double b = solve_intercept(c, slope, smoothed_prevalence(c));
    double loss = 0;
    for (size_t i = 0; i < c->n; i++) {
        const double x = slope * c->score[i] + b, z = c->label[i] ? -x : x;
        loss += (z > 0 ? z : 0) + log1p(exp(-fabs(z)));
    }
    return loss;
}

typedef double slope_loss(const void *context, double slope);

/** Least loss over slopes 0 and 1e-3 .. 1e3, by golden section in the logarithm. */
static double best_slope(slope_loss *loss, const void *context)
{
    const double ratio = 0.6180339887498949;
    double low = log(1e-3), high = log(1e3), a = high - ratio * (high - low), b = low + ratio * (high - low);
    double at_a = loss(context, exp(a)), at_b = loss(context, exp(b));
    while (high - low > 1e-3) {
        if (at_a <= at_b) {
            high = b;
            b = a;
            at_b = at_a;
            a = high - ratio * (high - low);
            at_a = loss(context, exp(a));
        } else {
            low = a;
            a = b;
            at_a = at_b;
            b = low + ratio * (high - low);
            at_b = loss(context, exp(b));
        }
    }
    const double s = exp(0.5 * (low + high));
    return loss(context, 0) <= loss(context, s) ? 0 : s;
}

typedef struct shared { const shn_scored *raw; const uint8_t *use; column *scratch; } shared;

static double shared_loss(const void *context, double slope)
{
    const shared *f = context;
    double loss = 0;
    for (size_t k = 0; k < f->raw->K; k++)
        if (take_column(f->raw, f->use, k, f->scratch)) loss += column_loss(f->scratch, slope);
    return loss;
}

static double own_loss(const void *context, double slope) { return column_loss(context, slope); }

static void fit_probabilities(const shn_scored *raw, const uint8_t *use, column *c, shn_calibration *out)
{
    const shared f = { raw, use, c };
    const double common = best_slope(shared_loss, &f);
    for (size_t k = 0; k < raw->K; k++) {
        if (take_column(raw, use, k, c) == 0) {             /* nobody knows it here: no evidence either way */
            out->slope[k] = (float)common;
            out->intercept[k] = 0;
            continue;
        }
        const int    enough = c->n_pos >= SHN_OWN_FIT_MIN && c->n - c->n_pos >= SHN_OWN_FIT_MIN;
        const double slope = enough ? best_slope(own_loss, c) : common;
        out->slope[k] = (float)slope;
        out->intercept[k] = (float)solve_intercept(c, slope, smoothed_prevalence(c));
    }
}

/* ---- thresholds ---- */

typedef struct item { float p; uint32_t record, finding; uint8_t label; } item;

static int by_probability_down(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->p != y->p) return x->p > y->p ? -1 : 1;
    if (x->record != y->record) return x->record < y->record ? -1 : 1;
    return x->finding < y->finding ? -1 : x->finding > y->finding;
}

/** Between the last item that is called positive and the next one; items sorted downwards, n_called >= 1. */
static float cut_after(const item *items, size_t n, size_t n_called)
{
    const float last = items[n_called - 1].p;
    if (n_called == n) return 0.5f * last;
    const float middle = 0.5f * (last + items[n_called].p);
    return middle > items[n_called].p ? middle : last;      /* neighbouring floats have no middle, and it may round down to the next item */
}

/** The threshold that calls as nearly n_wanted items as equal values allow: those are called together or not at all. */
static float quantile_cut(const item *items, size_t n, size_t n_wanted)
{
    size_t fewer = n_wanted, more = n_wanted;
    if (n == 0) return 0.5f;
    while (fewer > 0 && fewer < n && items[fewer - 1].p == items[fewer].p) fewer--;
    while (more > 0 && more < n && items[more - 1].p == items[more].p) more++;
    const size_t n_called = n_wanted - fewer <= more - n_wanted ? fewer : more;
    return n_called == 0 ? nextafterf(items[0].p, 2) : cut_after(items, n, n_called);
}

/** The threshold of the largest F1 over sorted items; n_pos > 0. */
static float best_f1_cut(const item *items, size_t n, size_t n_pos)
{
    double best = -1;
    size_t tp = 0, best_called = 1;
    for (size_t i = 0; i < n; i++) {
        tp += items[i].label;
        if (i + 1 < n && items[i + 1].p == items[i].p) continue;        /* equal values fall together */
        const double f1 = 2.0 * (double)tp / (double)(i + 1 + n_pos);
        if (f1 > best) {
            best = f1;
            best_called = i + 1;
        }
    }
    return cut_after(items, n, best_called);
}

/** What a threshold's value is the mean of: sample F1, sample Jaccard (over records), macro F1 (over findings that have a positive). */
typedef enum mean_of { MEAN_SAMPLE_F1, MEAN_SAMPLE_JACCARD, MEAN_MACRO_F1 } mean_of;

typedef struct group { uint32_t tp, called, n_true; } group;

static double value_of(const group *g, mean_of what)
{
    if (g->called + g->n_true == 0) return 1;               /* empty against empty */
    if (what == MEAN_SAMPLE_JACCARD) return (double)g->tp / (g->called + g->n_true - g->tp);
    return 2.0 * g->tp / (g->called + g->n_true);
}

/** The threshold of the largest mean over groups [n_groups]; a group that takes no part adds the same to every threshold's sum. */
static float best_mean_cut(const item *items, size_t n, mean_of what, group *groups, size_t n_groups)
{
    double sum = 0, best = -1;
    size_t best_called = 1;
    memset(groups, 0, n_groups * sizeof *groups);
    for (size_t i = 0; i < n; i++) groups[what == MEAN_MACRO_F1 ? items[i].finding : items[i].record].n_true += items[i].label;
    for (size_t g = 0; g < n_groups; g++) sum += value_of(&groups[g], what);
    for (size_t i = 0; i < n; i++) {
        group *g = &groups[what == MEAN_MACRO_F1 ? items[i].finding : items[i].record];
        if (what != MEAN_MACRO_F1 || g->n_true > 0) {
            const double before = value_of(g, what);
            g->tp += items[i].label;
            g->called++;
            sum += value_of(g, what) - before;
        }
        if (i + 1 < n && items[i + 1].p == items[i].p) continue;
        if (sum > best + 1e-12) {                           /* not by rounding alone */
            best = sum;
            best_called = i + 1;
        }
    }
    return cut_after(items, n, best_called);
}

/** Collects the known entries of findings k0 .. k1 - 1, sorted by probability downwards. */
static size_t collect(const shn_scored *p, const uint8_t *use, size_t k0, size_t k1, item *items, size_t *n_pos)
{
    size_t n = 0;
    *n_pos = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (use && !use[i]) continue;
        for (size_t k = k0; k < k1; k++) {
            if (!p->known[i * p->K + k]) continue;
            items[n++] = (item){ p->score[i * p->K + k], (uint32_t)i, (uint32_t)k, p->label[i * p->K + k] };
            *n_pos += p->label[i * p->K + k];
        }
    }
    qsort(items, n, sizeof *items, by_probability_down);
    return n;
}

static void fit_thresholds(const shn_scored *p, const uint8_t *use, const double *prevalence, item *items, group *groups, shn_calibration *out)
{
    size_t n_pos, n = collect(p, use, 0, p->K, items, &n_pos);
    out->threshold_f1_micro = n_pos ? best_f1_cut(items, n, n_pos) : 0.5f;
    out->threshold_jaccard = n_pos ? best_mean_cut(items, n, MEAN_SAMPLE_JACCARD, groups, p->n) : 0.5f;
    out->threshold_f1_sample = n_pos ? best_mean_cut(items, n, MEAN_SAMPLE_F1, groups, p->n) : 0.5f;
    out->threshold_f1_macro = n_pos ? best_mean_cut(items, n, MEAN_MACRO_F1, groups, p->K) : 0.5f;
    for (size_t k = 0; k < p->K; k++) {
        n = collect(p, use, k, k + 1, items, &n_pos);
        const size_t called = (size_t)lround(prevalence[k] * (double)n);
        out->threshold_prevalence[k] = quantile_cut(items, n, called > n ? n : called);
        out->threshold[k] = n_pos >= SHN_OWN_FIT_MIN ? best_f1_cut(items, n, n_pos) : out->threshold_prevalence[k];
    }
}

shn_status shn_calibration_fit(const shn_scored *raw, const uint8_t *use, const double *prevalence, shn_calibration *out, shn_error *err)
{
    const size_t n = raw->n, K = raw->K;
    column   c = { .score = shn_alloc(n, sizeof *c.score), .label = shn_alloc(n, 1) };
    float   *p = shn_alloc(n * K, sizeof *p);
    item    *items = shn_alloc(n * K, sizeof *items);
    group    *groups = shn_alloc(n > K ? n : K, sizeof *groups);
    shn_status st = SHN_OK;
    if (c.score && c.label && p && items && groups) {
        out->fitted = 1;
        fit_probabilities(raw, use, &c, out);
        shn_calibration_apply(out, raw->score, n, K, p);
        const shn_scored probability = { p, raw->label, raw->known, n, K };
        fit_thresholds(&probability, use, prevalence, items, groups, out);
    } else {
        st = shn_fail_nomem(err, "calibrate");
    }
    free(c.score);
    free(c.label);
    free(p);
    free(items);
    free(groups);
    return st;
}
