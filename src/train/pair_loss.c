/**
 * Losses over the pair matrix, a chunk of rows at a time. The sigmoid losses need one pass. The softmax losses need the
 * log-sum-exp of every column before any gradient: a first pass gathers it, a second computes the cosines again (or keeps
 * them where one chunk holds all rows).
 */
#include <math.h>
#include <string.h>

#include "base/fail.h"
#include "train/loss_work.h"
#include "train/matrix.h"

typedef struct pair_sums { double loss, d_log_scale, d_bias; } pair_sums;

/** Where a softmax loss takes its targets from: label sets, or groups of records (group NULL: label sets). */
typedef struct pair_targets { const shn_label_sets *sets; const shn_pair_options *options; const uint32_t *group; size_t B; } pair_targets;

/** Targets of row i, not yet divided by the row's sum; symmetric. SHN_NO_PAIR where the pair takes no part. */
static void row_targets(const pair_targets *q, size_t i, double *target)
{
    if (!q->group) {
        shn_label_sets_targets(q->sets, q->options, i, target);
        return;
    }
    const uint32_t mine = q->group[i];
    for (size_t j = 0; j < q->B; j++)
        target[j] = mine == SHN_NO_GROUP || q->group[j] == SHN_NO_GROUP ? SHN_NO_PAIR : q->group[j] == mine;
}

static double softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }
static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

/** Cosines of rows first..first+rows-1 with every text, into w->dot. */
static void chunk_cosines(shn_loss_work *w, const float *e, size_t first, size_t rows, size_t B)
{
    shn_matrix_widen(e + first * w->E, rows * w->E, w->x);
    memset(w->dot, 0, rows * B * sizeof *w->dot);
    shn_matrix_add(w->dot, (shn_factor){ w->x, w->E, 1 }, w->c_t, rows, w->E, B);
}

/** From w->grad (d loss / d logit) of a chunk to the vectors: d_e is finished, d_u is summed in w->d_c. */
static void chunk_vectors(shn_loss_work *w, const float *e, const float *u, size_t first, size_t rows, size_t B, double t, float *d_e)
{
    memset(w->d_x, 0, rows * w->E * sizeof *w->d_x);
    shn_matrix_add(w->d_x, (shn_factor){ w->grad, B, 1 }, u, rows, B, w->E);
    for (size_t i = 0; i < rows * w->E; i++) d_e[first * w->E + i] = (float)(t * w->d_x[i]);
    shn_matrix_add(w->d_c, (shn_factor){ w->grad, 1, B }, e + first * w->E, B, rows, w->E);
}

/** Loss of one pair and its derivative by the logit, for a target q in [0, 1]. */
static double sigmoid_pair(shn_jaccard_form form, double l, double q, double *d)
{
    switch (form) {
    case SHN_JACCARD_GRADED: {
        const double z = 2 * q - 1;
        *d = -z * sigmoid(-z * l);
        return softplus(-z * l);
    }
    case SHN_JACCARD_WEIGHTED:
        *d = q > 0 ? -q * sigmoid(-l) : sigmoid(l);
        return q > 0 ? q * softplus(-l) : softplus(l);
    default:
        *d = sigmoid(l) - q;
        return softplus(l) - q * l;
    }
}

static void sigmoid_row(const double *dot, const double *target, size_t B, shn_jaccard_form form, double t, double b, double *grad,
                        pair_sums *sums)
{
    for (size_t j = 0; j < B; j++) {
        double d = 0;
        if (target[j] != SHN_NO_PAIR) {
            sums->loss += sigmoid_pair(form, t * dot[j] + b, target[j], &d) / (double)B;
            d /= (double)B;
            sums->d_log_scale += d * t * dot[j];
            sums->d_bias += d;
        }
        grad[j] = d;
    }
}

static void sigmoid_loss(shn_loss_work *w, const shn_pair_options *o, const float *e, const float *u, size_t B, double t,
                         double b, float *d_e, pair_sums *sums)
{
    const shn_jaccard_form form = o->loss == SHN_LOSS_SIGLIP_JACCARD ? o->form : SHN_JACCARD_SOFT;
    for (size_t first = 0; first < B; first += w->chunk) {
        const size_t rows = B - first < w->chunk ? B - first : w->chunk;
        chunk_cosines(w, e, first, rows, B);
        for (size_t r = 0; r < rows; r++) {
            shn_label_sets_targets(&w->sets, o, first + r, w->target + r * B);
            sigmoid_row(w->dot + r * B, w->target + r * B, B, form, t, b, w->grad + r * B, sums);
        }
        chunk_vectors(w, e, u, first, rows, B, t, d_e);
    }
}

/** First pass over a row: its log-sum-exp and sum of targets, and its share in the running sums of the columns. */
static void softmax_gather(shn_loss_work *w, size_t i, const double *dot, const double *target, size_t B, double t)
{
    double high = -INFINITY, sum = 0, target_sum = 0;
    for (size_t j = 0; j < B; j++)
        if (target[j] != SHN_NO_PAIR && t * dot[j] > high) high = t * dot[j];
    for (size_t j = 0; j < B; j++) {
        if (target[j] == SHN_NO_PAIR) continue;
        const double l = t * dot[j];
        sum += exp(l - high);
        target_sum += target[j];
        if (l > w->column_max[j]) {
            w->column_sum[j] = w->column_sum[j] * exp(w->column_max[j] - l) + 1;
            w->column_max[j] = l;
        } else {
            w->column_sum[j] += exp(l - w->column_max[j]);
        }
    }
    w->row_lse[i] = high + log(sum);
    w->target_sum[i] = target_sum;          /* 0: nothing is known of the record; it has no pair in its column either */
}

/** Second pass: cross entropies and gradients. Targets are symmetric, so a column's sum of targets is its row's. */
static void softmax_row(const shn_loss_work *w, size_t i, const double *dot, const double *target, size_t B, double t,
                        double n_taking_part, double *grad, pair_sums *sums)
{
    for (size_t j = 0; j < B; j++) {
        grad[j] = 0;
        if (target[j] == SHN_NO_PAIR) continue;
        const double l = t * dot[j], column_lse = w->column_max[j] + log(w->column_sum[j]);
        const double q_row = target[j] / w->target_sum[i], q_column = target[j] / w->target_sum[j];
        sums->loss += (q_row * (w->row_lse[i] - l) + q_column * (column_lse - l)) / (2 * n_taking_part);
        grad[j] = (exp(l - w->row_lse[i]) - q_row + exp(l - column_lse) - q_column) / (2 * n_taking_part);
        sums->d_log_scale += grad[j] * l;
    }
}

static void softmax_loss(shn_loss_work *w, const pair_targets *q, const float *e, const float *u, double t, float *d_e, pair_sums *sums)
{
    const size_t B = q->B;
    double n_taking_part = 0;
    for (size_t j = 0; j < B; j++) {
        w->column_max[j] = -INFINITY;
        w->column_sum[j] = 0;
    }
    for (size_t first = 0; first < B; first += w->chunk) {
        const size_t rows = B - first < w->chunk ? B - first : w->chunk;
        chunk_cosines(w, e, first, rows, B);
        for (size_t r = 0; r < rows; r++) {
            row_targets(q, first + r, w->target + r * B);
            softmax_gather(w, first + r, w->dot + r * B, w->target + r * B, B, t);
            n_taking_part += w->target_sum[first + r] > 0;
        }
    }
    for (size_t first = 0; first < B; first += w->chunk) {
        const size_t rows = B - first < w->chunk ? B - first : w->chunk;
        if (w->chunk < B) chunk_cosines(w, e, first, rows, B);      /* else the first pass left them */
        for (size_t r = 0; r < rows; r++) {
            if (w->chunk < B) row_targets(q, first + r, w->target + r * B);
            softmax_row(w, first + r, w->dot + r * B, w->target + r * B, B, t, n_taking_part, w->grad + r * B, sums);
        }
        chunk_vectors(w, e, u, first, rows, B, t, d_e);
    }
}

static shn_status check(const shn_loss_work *w, const shn_pair_options *o, const shn_batch_labels *labels, shn_error *err)
{
    if (!shn_loss_is_pair(o->loss))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "loss", "'%s' compares no pairs of records", shn_loss_name(o->loss));
    if (labels->B < 2 || labels->B > w->B_max || labels->K != w->K)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "loss", "batch of %zu with %zu findings, needs 2 to %zu records with %zu "
                        "findings", labels->B, labels->K, w->B_max, w->K);
    if (o->loss == SHN_LOSS_JACCARD_SOFTMAX && o->form != SHN_JACCARD_SOFT && o->form != SHN_JACCARD_THRESHOLD)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "loss", "jaccard-softmax has the forms soft and threshold; choose one");
    return SHN_OK;
}

shn_status shn_pair_loss(shn_loss_work *w, const shn_pair_options *options, const shn_batch_labels *labels, const float *e,
                         const float *u, double log_scale, double bias, double *loss, float *d_e, float *d_u,
                         double *d_log_scale, double *d_bias, shn_error *err)
{
    const shn_status st = check(w, options, labels, err);
    if (st != SHN_OK) return st;
    const size_t B = labels->B;
    const double t = fmin(exp(log_scale), SHN_LOGIT_SCALE_MAX);
    pair_sums    sums = { 0, 0, 0 };
    shn_label_sets_pack(labels, &w->sets);
    shn_matrix_transpose(u, B, w->E, w->c_t);
    memset(w->d_c, 0, B * w->E * sizeof *w->d_c);
    const pair_targets targets = { &w->sets, options, NULL, B };
    if (shn_loss_has_bias(options->loss)) sigmoid_loss(w, options, e, u, B, t, bias, d_e, &sums);
    else softmax_loss(w, &targets, e, u, t, d_e, &sums);
    for (size_t i = 0; i < B * w->E; i++) d_u[i] = (float)(t * w->d_c[i]);
    *loss = sums.loss;
    *d_log_scale = sums.d_log_scale;
    *d_bias = sums.d_bias;
    return SHN_OK;
}

shn_status shn_group_loss(shn_loss_work *w, const uint32_t *group, size_t B, const float *e, const float *u, double log_scale, double *loss,
                          float *d_e, float *d_u, double *d_log_scale, shn_error *err)
{
    if (B < 1 || B > w->B_max)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "loss", "batch of %zu records, needs 1 to %zu", B, w->B_max);
    const double t = fmin(exp(log_scale), SHN_LOGIT_SCALE_MAX);
    const pair_targets targets = { NULL, NULL, group, B };
    pair_sums sums = { 0, 0, 0 };
    shn_matrix_transpose(u, B, w->E, w->c_t);
    memset(w->d_c, 0, B * w->E * sizeof *w->d_c);
    softmax_loss(w, &targets, e, u, t, d_e, &sums);
    for (size_t i = 0; i < B * w->E; i++) d_u[i] = (float)(t * w->d_c[i]);
    *loss = sums.loss;
    *d_log_scale = sums.d_log_scale;
    return SHN_OK;
}

shn_status shn_pair_target_sum(shn_loss_work *w, const shn_pair_options *options, const shn_batch_labels *labels, double *sum,
                               double *count, shn_error *err)
{
    const shn_status st = check(w, options, labels, err);
    if (st != SHN_OK) return st;
    shn_label_sets_pack(labels, &w->sets);
    for (size_t i = 0; i < labels->B; i++) {
        shn_label_sets_targets(&w->sets, options, i, w->target);
        for (size_t j = 0; j < labels->B; j++) {
            if (w->target[j] == SHN_NO_PAIR) continue;
            *sum += w->target[j];
            *count += 1;
        }
    }
    return SHN_OK;
}
