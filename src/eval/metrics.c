/** Metrics on plain arrays. Everything undefined is NaN; nothing here prints or knows a model. */
#include "shinden/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "eval/rank.h"

/* ---- ranking metrics ---- */

static _Thread_local const float *sorting;                  /* qsort has no context argument */
static _Thread_local size_t       sorting_stride;

static int by_score(const void *a, const void *b)
{
    const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const float    x = sorting[i * sorting_stride], y = sorting[j * sorting_stride];
    if (x != y) return x < y ? -1 : 1;
    return i < j ? -1 : i > j;
}

static void sort_by_score(const float *score, size_t stride, uint32_t *order, size_t n)
{
    sorting = score;
    sorting_stride = stride;
    qsort(order, n, sizeof *order, by_score);
}

size_t shn_rank_known(const shn_scored *s, size_t k, uint32_t *order)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->known[i * s->K + k]) order[n++] = (uint32_t)i;
    sort_by_score(s->score + k, s->K, order, n);
    return n;
}

static double weight_of(const double *weight, uint32_t record) { return weight ? weight[record] : 1; }

double shn_auroc_ranked(const float *score, const uint8_t *label, size_t stride, const uint32_t *order, size_t n, const double *weight)
{
    double positive = 0, negative = 0, concordant = 0;
    for (size_t i = 0, j; i < n; i = j) {                   /* groups of equal scores, from the lowest up */
        double      pos = 0, neg = 0;
        const float value = score[order[i] * stride];
        for (j = i; j < n && (j == i || score[order[j] * stride] == value); j++) {     /* NaN equals nothing, not even itself */
            const double w = weight_of(weight, order[j]);
            if (label[order[j] * stride]) pos += w;
            else neg += w;
        }
        concordant += pos * (negative + 0.5 * neg);         /* ties count half: mid-ranks */
        positive += pos;
        negative += neg;
    }
    return positive > 0 && negative > 0 ? concordant / (positive * negative) : NAN;
}

double shn_average_precision_ranked(const float *score, const uint8_t *label, size_t stride, const uint32_t *order, size_t n,
                                    const double *weight)
{
    double positive = 0, total = 0, sum = 0, all = 0;
    for (size_t i = 0; i < n; i++) all += label[order[i] * stride] ? weight_of(weight, order[i]) : 0;
    if (!(all > 0)) return NAN;
    for (size_t i = n, j; i > 0; i = j) {                   /* from the highest score down; one threshold per distinct score */
        double      pos = 0, count = 0;
        const float value = score[order[i - 1] * stride];
        for (j = i; j > 0 && (j == i || score[order[j - 1] * stride] == value); j--) {
            const double w = weight_of(weight, order[j - 1]);
            if (label[order[j - 1] * stride]) pos += w;
            count += w;
        }
        positive += pos;
        total += count;
        if (pos > 0) sum += pos / all * (positive / total);
    }
    return sum;
}

double shn_auroc(const float *score, const uint8_t *label, size_t n, uint32_t *order)
{
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    sort_by_score(score, 1, order, n);
    return shn_auroc_ranked(score, label, 1, order, n, NULL);
}

double shn_average_precision(const float *score, const uint8_t *label, size_t n, uint32_t *order)
{
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    sort_by_score(score, 1, order, n);
    return shn_average_precision_ranked(score, label, 1, order, n, NULL);
}

typedef double ranked_metric(const float *, const uint8_t *, size_t, const uint32_t *, size_t, const double *);

/** Mean over findings that have both classes among the known records (so AUPRC is averaged over the same findings as AUROC). */
static double macro(const shn_scored *s, const uint32_t *n_pos_train, uint32_t minimum, ranked_metric *metric, uint32_t *order)
{
    double sum = 0;
    size_t n_defined = 0;
    for (size_t k = 0; k < s->K; k++) {
        if (n_pos_train && n_pos_train[k] < minimum) continue;
        const size_t n = shn_rank_known(s, k, order);
        if (isnan(shn_auroc_ranked(s->score + k, s->label + k, s->K, order, n, NULL))) continue;
        sum += metric(s->score + k, s->label + k, s->K, order, n, NULL);
        n_defined++;
    }
    return n_defined ? sum / (double)n_defined : NAN;
}

double shn_auroc_macro_using(const shn_scored *s, uint32_t *order) { return macro(s, NULL, 0, shn_auroc_ranked, order); }

static double macro_alone(const shn_scored *s, const uint32_t *n_pos_train, uint32_t minimum, ranked_metric *metric)
{
    uint32_t    *order = shn_alloc(s->n, sizeof *order);
    const double mean = order ? macro(s, n_pos_train, minimum, metric, order) : NAN;
    free(order);
    return mean;
}

double shn_auroc_macro(const shn_scored *s, const uint32_t *n_pos_train, uint32_t minimum) { return macro_alone(s, n_pos_train, minimum, shn_auroc_ranked); }

double shn_auprc_macro(const shn_scored *s, const uint32_t *n_pos_train, uint32_t minimum)
{
    return macro_alone(s, n_pos_train, minimum, shn_average_precision_ranked);
}

/* ---- decisions ---- */

typedef struct counts { double tp, fp, fn; } counts;

static double f1_of(counts c) { return 2 * c.tp + c.fp + c.fn > 0 ? 2 * c.tp / (2 * c.tp + c.fp + c.fn) : NAN; }
static double jaccard_of(counts c) { return c.tp + c.fp + c.fn > 0 ? c.tp / (c.tp + c.fp + c.fn) : NAN; }

static void count(counts *c, int decided, int label, double w)
{
    if (decided && label) c->tp += w;
    else if (decided) c->fp += w;
    else if (label) c->fn += w;
}

/** Counts of one record; two empty sets give all zeros. */
static counts of_record(const shn_scored *s, size_t i, const float *threshold)
{
    counts c = { 0 };
    for (size_t k = 0; k < s->K; k++)
        if (s->known[i * s->K + k]) count(&c, s->score[i * s->K + k] >= threshold[k], s->label[i * s->K + k], 1);
    return c;
}

static double macro_f1(const shn_scored *s, const float *threshold, const double *weight)
{
    double sum = 0;
    size_t n_defined = 0;
    for (size_t k = 0; k < s->K; k++) {
        counts c = { 0 };
        for (size_t i = 0; i < s->n; i++)
            if (s->known[i * s->K + k]) count(&c, s->score[i * s->K + k] >= threshold[k], s->label[i * s->K + k], weight_of(weight, (uint32_t)i));
        if (!(c.tp + c.fn > 0)) continue;               /* no known positive: not averaged */
        sum += f1_of(c);
        n_defined++;
    }
    return n_defined ? sum / (double)n_defined : NAN;
}

shn_f1 shn_f1_weighted(const shn_scored *s, const float *threshold, const double *weight)
{
    counts all = { 0 };
    double f1 = 0, jaccard = 0, total = 0;
    for (size_t i = 0; i < s->n; i++) {
        const double w = weight_of(weight, (uint32_t)i);
        const counts c = of_record(s, i, threshold);
        const int    empty = c.tp + c.fp + c.fn == 0;
        all.tp += w * c.tp;
        all.fp += w * c.fp;
        all.fn += w * c.fn;
        f1 += w * (empty ? 1 : f1_of(c));
        jaccard += w * (empty ? 1 : jaccard_of(c));
        total += w;
    }
    return (shn_f1){ .micro = f1_of(all), .macro = macro_f1(s, threshold, weight), .sample = total > 0 ? f1 / total : NAN,
                     .jaccard_sample = total > 0 ? jaccard / total : NAN, .jaccard_micro = jaccard_of(all) };
}

shn_f1 shn_f1_at(const shn_scored *s, const float *threshold) { return shn_f1_weighted(s, threshold, NULL); }

/* ---- first k ---- */

static int is_candidate(const shn_scored *s, size_t i, size_t k, const uint8_t *candidate)
{
    return s->known[i * s->K + k] && (!candidate || candidate[k]);
}

/** Place of finding k among record i's candidates, 0 = first; equal scores are ordered by finding. */
static size_t place_of(const shn_scored *s, size_t i, size_t k, const uint8_t *candidate)
{
    const float *row = s->score + i * s->K;
    size_t       before = 0;
    for (size_t j = 0; j < s->K; j++)
        if (is_candidate(s, i, j, candidate) && (row[j] > row[k] || (row[j] == row[k] && j < k))) before++;
    return before;
}

void shn_top_k_records(const shn_scored *s, size_t k, const uint8_t *candidate, uint8_t *hit, float *share)
{
    for (size_t i = 0; i < s->n; i++) {
        size_t n_true = 0, n_found = 0;
        for (size_t f = 0; f < s->K; f++) {
            if (!s->label[i * s->K + f] || !is_candidate(s, i, f, candidate)) continue;
            n_true++;
            if (place_of(s, i, f, candidate) < k) n_found++;
        }
        hit[i] = n_true == 0 ? 2 : n_found > 0;
        if (share) share[i] = n_true ? (float)n_found / (float)n_true : NAN;
    }
}

double shn_top_k(const shn_scored *s, size_t k, const uint8_t *candidate)
{
    double   hits = 0, total = 0;
    uint8_t *hit = shn_alloc(s->n, 1);
    if (!hit) return NAN;
    shn_top_k_records(s, k, candidate, hit, NULL);
    for (size_t i = 0; i < s->n; i++) {
        hits += hit[i] == 1;
        total += hit[i] != 2;
    }
    free(hit);
    return total > 0 ? hits / total : NAN;
}

double shn_recall_at_k(const shn_scored *s, size_t k, const uint8_t *candidate)
{
    double   sum = 0, total = 0;
    uint8_t *hit = shn_alloc(s->n, 1);
    float   *share = shn_alloc(s->n, sizeof *share);
    if (hit && share) shn_top_k_records(s, k, candidate, hit, share);
    for (size_t i = 0; hit && share && i < s->n; i++) {
        if (hit[i] == 2) continue;
        sum += share[i];
        total++;
    }
    free(hit);
    free(share);
    return total > 0 ? sum / total : NAN;
}

void shn_top_k_per_finding(const shn_scored *s, size_t k, double *out)
{
    for (size_t f = 0; f < s->K; f++) {
        double found = 0, total = 0;
        for (size_t i = 0; i < s->n; i++) {
            if (!s->label[i * s->K + f] || !s->known[i * s->K + f]) continue;
            total++;
            found += place_of(s, i, f, NULL) < k;
        }
        out[f] = total > 0 ? found / total : NAN;
    }
}

/* ---- calibration ---- */

int shn_ece_bin(float probability)
{
    const int bin = (int)((double)probability * ECE_BINS);
    return bin < 0 ? 0 : bin >= ECE_BINS ? ECE_BINS - 1 : bin;
}

double shn_ece_weighted(const shn_scored *p, const double *weight)
{
    double n[ECE_BINS] = { 0 }, confidence[ECE_BINS] = { 0 }, positives[ECE_BINS] = { 0 }, total = 0, error = 0;
    for (size_t i = 0; i < p->n; i++) {
        const double w = weight_of(weight, (uint32_t)i);
        for (size_t k = 0; k < p->K; k++) {
            if (!p->known[i * p->K + k]) continue;
            const double q = p->score[i * p->K + k];
            const int    bin = shn_ece_bin(p->score[i * p->K + k]);
            n[bin] += w;
            confidence[bin] += w * q;
            positives[bin] += p->label[i * p->K + k] ? w : 0;
            total += w;
        }
    }
    for (int b = 0; b < ECE_BINS; b++)
        if (n[b] > 0) error += fabs(confidence[b] - positives[b]);
    return total > 0 ? error / total : NAN;
}

double shn_ece(const shn_scored *probability) { return shn_ece_weighted(probability, NULL); }
