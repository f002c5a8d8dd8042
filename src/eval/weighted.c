#include "eval/weighted.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "eval/rank.h"

enum { AUROC_MACRO_MIN = 10, HERE_MIN = 5, RECORD_SHIFT = 2 };

static shn_scored view(const summary_input *in, const float *score) { return (shn_scored){ score, in->label, in->known, in->n, in->K }; }

void weighted_free(weighted *w)
{
    free(w->start);
    free(w->ranked);
    free(w->n_pos);
    for (int d = 0; d < WEIGHTED_DECISIONS; d++) {
        free(w->decision[d].start);
        free(w->decision[d].cell);
        free(w->decision[d].f1);
        free(w->decision[d].jaccard);
    }
    weighted_bins *const bins[2] = { &w->raw, &w->calibrated };
    for (int b = 0; b < 2; b++) {
        free(bins[b]->start);
        free(bins[b]->bin);
        free(bins[b]->count);
        free(bins[b]->excess);
    }
    for (int h = 0; h < WEIGHTED_HITS; h++) free(w->hit[h]);
    free(w->recall5);
    memset(w, 0, sizeof *w);
}

/* ---- preparing ---- */

static int prepare_ranks(weighted *w)
{
    const summary_input *in = w->in;
    const shn_scored s = view(in, in->score);
    uint32_t *order = shn_alloc(in->n, sizeof *order);
    w->start = shn_alloc(in->K + 1, sizeof *w->start);
    w->ranked = shn_alloc(in->n * in->K, sizeof *w->ranked);
    w->n_pos = shn_alloc(in->K, sizeof *w->n_pos);
    if (!order || !w->start || !w->ranked || !w->n_pos) {
        free(order);
        return 0;
    }
    for (size_t k = 0; k < in->K; k++) {
        const size_t n = shn_rank_known(&s, k, order);
        uint32_t    *item = w->ranked + w->start[k];
        for (size_t i = n; i-- > 0;) {                      /* order goes upwards, ranked downwards */
            const int last = i == 0 || in->score[order[i - 1] * in->K + k] != in->score[order[i] * in->K + k];
            w->n_pos[k] += in->label[order[i] * in->K + k] != 0;
            *item++ = order[i] << RECORD_SHIFT | (uint32_t)(in->label[order[i] * in->K + k] != 0) << 1 | (uint32_t)last;
        }
        w->start[k + 1] = w->start[k] + n;
    }
    free(order);
    return 1;
}

static int is_called(const float *decision, size_t at) { return decision[at] >= 0.5f; }

static size_t count_cells(const summary_input *in, const float *decision)
{
    size_t n = 0;
    for (size_t at = 0; at < in->n * in->K; at++) n += in->known[at] && (in->label[at] || is_called(decision, at));
    return n;
}

static int prepare_decision(const summary_input *in, const float *decision, weighted_decision *d)
{
    d->start = shn_alloc(in->K + 1, sizeof *d->start);
    d->cell = shn_alloc(count_cells(in, decision), sizeof *d->cell);
    d->f1 = shn_alloc(in->n, sizeof *d->f1);
    d->jaccard = shn_alloc(in->n, sizeof *d->jaccard);
    if (!d->start || !d->cell || !d->f1 || !d->jaccard) return 0;
    for (size_t k = 0; k < in->K; k++) {
        d->start[k + 1] = d->start[k];
        for (size_t i = 0; i < in->n; i++) {
            const size_t at = i * in->K + k;
            const int    called = is_called(decision, at);
            if (!in->known[at] || !(in->label[at] || called)) continue;
            d->cell[d->start[k + 1]++] = (uint32_t)i << RECORD_SHIFT | (uint32_t)called << 1 | (uint32_t)(in->label[at] != 0);
        }
    }
    for (size_t i = 0; i < in->n; i++) {
        size_t both = 0, any = 0;
        for (size_t k = 0; k < in->K; k++) {
            const size_t at = i * in->K + k;
            if (!in->known[at]) continue;
            both += in->label[at] && is_called(decision, at);
            any += in->label[at] || is_called(decision, at);
        }
        d->f1[i] = any ? 2.0 * (double)both / (double)(any + both) : 1;         /* 2 tp + fp + fn = any + tp */
        d->jaccard[i] = any ? (double)both / (double)any : 1;
    }
    return 1;
}

/** Sums of one record's known entries per bin. */
static void fill_bins(const summary_input *in, const float *probability, size_t i, double *count, double *excess)
{
    memset(count, 0, ECE_BINS * sizeof *count);
    memset(excess, 0, ECE_BINS * sizeof *excess);
    for (size_t k = 0; k < in->K; k++) {
        const size_t at = i * in->K + k;
        if (!in->known[at]) continue;
        const int bin = shn_ece_bin(probability[at]);
        count[bin]++;
        excess[bin] += (double)probability[at] - (in->label[at] != 0);
    }
}

static int prepare_bins(const summary_input *in, const float *probability, weighted_bins *b)
{
    const size_t most = in->n * (in->K < ECE_BINS ? in->K : (size_t)ECE_BINS);
    double count[ECE_BINS], excess[ECE_BINS];
    b->start = shn_alloc(in->n + 1, sizeof *b->start);
    b->bin = shn_alloc(most, sizeof *b->bin);
    b->count = shn_alloc(most, sizeof *b->count);
    b->excess = shn_alloc(most, sizeof *b->excess);
    if (!b->start || !b->bin || !b->count || !b->excess) return 0;
    for (size_t i = 0, at = 0; i < in->n; i++) {
        fill_bins(in, probability, i, count, excess);
        for (int bin = 0; bin < ECE_BINS; bin++) {
            if (count[bin] == 0) continue;
            b->bin[at] = (uint8_t)bin;
            b->count[at] = count[bin];
            b->excess[at++] = excess[bin];
        }
        b->start[i + 1] = at;
    }
    return 1;
}

static int prepare_hits(weighted *w)
{
    const summary_input *in = w->in;
    const shn_scored s = view(in, in->score);
    int ok = (w->recall5 = shn_alloc(in->n, sizeof *w->recall5)) != NULL;
    for (int h = 0; h < WEIGHTED_HITS; h++) ok &= (w->hit[h] = shn_alloc(in->n, 1)) != NULL;
    if (!ok) return 0;
    shn_top_k_records(&s, 1, NULL, w->hit[0], NULL);
    shn_top_k_records(&s, 5, NULL, w->hit[1], w->recall5);
    shn_top_k_records(&s, 1, in->specific, w->hit[2], NULL);
    shn_top_k_records(&s, 5, in->specific, w->hit[3], NULL);
    return 1;
}

enum { AT_05, AT_F1, AT_F1_MACRO, AT_F1_SAMPLE, AT_JACCARD, AT_LABEL, AT_PREVALENCE };

shn_status weighted_prepare(const summary_input *in, weighted *out, shn_error *err)
{
    const float *const decided[WEIGHTED_DECISIONS] = { [AT_05] = in->at_05, [AT_F1] = in->at_f1, [AT_F1_MACRO] = in->at_f1_macro,
                                                       [AT_F1_SAMPLE] = in->at_f1_sample, [AT_JACCARD] = in->at_jaccard,
                                                       [AT_LABEL] = in->at_label, [AT_PREVALENCE] = in->at_prevalence };
    memset(out, 0, sizeof *out);
    out->in = in;
    if (in->n >= (size_t)1 << 30)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "eval.summary", "%zu records; at most 2^30 are evaluated at once, choose a split", in->n);
    int ok = prepare_ranks(out) && prepare_hits(out);
    for (int d = 0; ok && d < WEIGHTED_DECISIONS; d++) ok = prepare_decision(in, decided[d], &out->decision[d]);
    ok = ok && prepare_bins(in, in->uncalibrated, &out->raw) && prepare_bins(in, in->probability, &out->calibrated);
    return ok ? SHN_OK : shn_fail_nomem(err, "eval.summary");
}

/* ---- with weights ---- */

/** AUROC and average precision of one finding in one pass from the highest score down; NaN without both classes. */
static void rank_finding(const uint32_t *item, size_t n, const double *weight, double *auroc, double *auprc)
{
    double pos = 0, neg = 0, group_pos = 0, group_neg = 0, discordant = 0, precision = 0;
    for (size_t j = 0; j < n; j++) {
        const double w = weight[item[j] >> RECORD_SHIFT];
        if (item[j] & 2) group_pos += w;
        else group_neg += w;
        if (!(item[j] & 1)) continue;
        if (group_pos > 0) {                                /* negatives above count whole, those with the same score half */
            discordant += group_pos * (neg + 0.5 * group_neg);
            pos += group_pos;
            precision += group_pos * pos / (pos + neg + group_neg);
        }
        neg += group_neg;
        group_pos = group_neg = 0;
    }
    const int both = pos > 0 && neg > 0;
    *auroc = both ? 1 - discordant / (pos * neg) : NAN;
    *auprc = both ? precision / pos : NAN;
}

static void ranking(const weighted *p, const double *weight, double *metric, double *auroc, double *auprc)
{
    const summary_input *in = p->in;
    double sum[6] = { 0 };
    size_t n[3] = { 0 };
    for (size_t k = 0; k < in->K; k++) {
        rank_finding(p->ranked + p->start[k], p->start[k + 1] - p->start[k], weight, &auroc[k], &auprc[k]);
        if (isnan(auroc[k])) continue;
        sum[0] += auroc[k];
        sum[1] += auprc[k];
        n[0]++;
        if (p->n_pos[k] >= HERE_MIN) {
            sum[4] += auroc[k];
            sum[5] += auprc[k];
            n[2]++;
        }
        if (in->n_pos_train[k] < AUROC_MACRO_MIN) continue;
        sum[2] += auroc[k];
        sum[3] += auprc[k];
        n[1]++;
    }
    metric[METRIC_auroc_macro] = n[0] ? sum[0] / (double)n[0] : NAN;
    metric[METRIC_auprc_macro] = n[0] ? sum[1] / (double)n[0] : NAN;
    metric[METRIC_auroc_macro_10] = n[1] ? sum[2] / (double)n[1] : NAN;
    metric[METRIC_auprc_macro_10] = n[1] ? sum[3] / (double)n[1] : NAN;
    metric[METRIC_auroc_macro_pos5] = n[2] ? sum[4] / (double)n[2] : NAN;
    metric[METRIC_auprc_macro_pos5] = n[2] ? sum[5] / (double)n[2] : NAN;
}

static shn_f1 decided(const weighted *p, int which, const double *weight)
{
    const weighted_decision *d = &p->decision[which];
    double both = 0, any = 0, macro = 0, f1 = 0, jaccard = 0, total = 0;
    size_t n_defined = 0;
    for (size_t k = 0; k < p->in->K; k++) {
        double of[4] = { 0 };                               /* by called << 1 | true */
        for (size_t j = d->start[k]; j < d->start[k + 1]; j++) of[d->cell[j] & 3] += weight[d->cell[j] >> RECORD_SHIFT];
        both += of[3];
        any += of[1] + of[2] + of[3];
        if (!(of[3] + of[1] > 0)) continue;                 /* no known positive: not averaged */
        macro += 2 * of[3] / (2 * of[3] + of[2] + of[1]);
        n_defined++;
    }
    for (size_t i = 0; i < p->in->n; i++) {
        f1 += weight[i] * d->f1[i];
        jaccard += weight[i] * d->jaccard[i];
        total += weight[i];
    }
    return (shn_f1){ .micro = any > 0 ? 2 * both / (any + both) : NAN, .macro = n_defined ? macro / (double)n_defined : NAN,
                     .sample = total > 0 ? f1 / total : NAN, .jaccard_sample = total > 0 ? jaccard / total : NAN,
                     .jaccard_micro = any > 0 ? both / any : NAN };
}

double weighted_hits(const uint8_t *hit, size_t n, const double *weight)
{
    double found = 0, total = 0;
    for (size_t i = 0; i < n; i++) {
        const double w = weight ? weight[i] : 1;
        if (hit[i] == 2) continue;
        found += hit[i] ? w : 0;
        total += w;
    }
    return total > 0 ? found / total : NAN;
}

static double recall(const weighted *p, const double *weight)
{
    double sum = 0, total = 0;
    for (size_t i = 0; i < p->in->n; i++) {
        if (p->hit[1][i] == 2) continue;
        sum += weight[i] * p->recall5[i];
        total += weight[i];
    }
    return total > 0 ? sum / total : NAN;
}

static double calibration_error(const weighted_bins *b, size_t n, const double *weight)
{
    double excess[ECE_BINS] = { 0 }, total = 0, error = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = b->start[i]; j < b->start[i + 1]; j++) {
            excess[b->bin[j]] += weight[i] * b->excess[j];
            total += weight[i] * b->count[j];
        }
    for (int bin = 0; bin < ECE_BINS; bin++) error += fabs(excess[bin]);
    return total > 0 ? error / total : NAN;
}

void weighted_metrics(const weighted *p, const double *weight, double *metric, double *auroc, double *auprc)
{
    const size_t n = p->in->n;
    ranking(p, weight, metric, auroc, auprc);
    const shn_f1 half = decided(p, AT_05, weight), tuned = decided(p, AT_F1, weight), label = decided(p, AT_LABEL, weight);
    metric[METRIC_f1_micro_05] = half.micro;
    metric[METRIC_f1_macro_05] = half.macro;
    metric[METRIC_f1_sample_05] = half.sample;
    metric[METRIC_jaccard_sample_05] = half.jaccard_sample;
    metric[METRIC_f1_micro_tuned] = tuned.micro;
    metric[METRIC_f1_macro_tuned] = decided(p, AT_F1_MACRO, weight).macro;
    metric[METRIC_f1_sample_tuned] = decided(p, AT_F1_SAMPLE, weight).sample;
    metric[METRIC_jaccard_micro] = tuned.jaccard_micro;     /* J = F/(2 - F): what is best for micro-F1 is best for it */
    metric[METRIC_jaccard_sample] = decided(p, AT_JACCARD, weight).jaccard_sample;
    metric[METRIC_f1_micro_per_label] = label.micro;
    metric[METRIC_f1_macro_per_label] = label.macro;
    metric[METRIC_f1_micro_prevalence] = decided(p, AT_PREVALENCE, weight).micro;
    metric[METRIC_top1] = weighted_hits(p->hit[0], n, weight);
    metric[METRIC_top5] = weighted_hits(p->hit[1], n, weight);
    metric[METRIC_top1_specific] = weighted_hits(p->hit[2], n, weight);
    metric[METRIC_top5_specific] = weighted_hits(p->hit[3], n, weight);
    metric[METRIC_recall_at_5] = recall(p, weight);
    metric[METRIC_ece_raw] = calibration_error(&p->raw, n, weight);
    metric[METRIC_ece] = calibration_error(&p->calibrated, n, weight);
}
