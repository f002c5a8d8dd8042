/** Class columns and bce: records against findings, a chunk of records at a time. */
#include <math.h>
#include <string.h>

#include "base/fail.h"
#include "train/loss_work.h"
#include "train/matrix.h"

typedef struct class_sums { double loss, d_log_scale, d_bias; } class_sums;

/** One record: label and known are its rows; d_bk sums over records. */
static void class_row(const double *dot, const uint8_t *label, const uint8_t *known, size_t K, double B, double t, double b,
                      const float *b_k, double *grad, double *d_bk, class_sums *sums)
{
    for (size_t k = 0; k < K; k++) {
        grad[k] = 0;
        if (!known[k]) continue;
        const double s = t * dot[k] + b + (double)b_k[k], q = label[k] != 0, tail = exp(-fabs(s));
        sums->loss += ((s > 0 ? s : 0) - q * s + log1p(tail)) / B;
        grad[k] = ((s >= 0 ? 1 : tail) / (1 + tail) - q) / B;
        sums->d_log_scale += grad[k] * t * dot[k];
        sums->d_bias += grad[k];
        d_bk[k] += grad[k];
    }
}

shn_status shn_class_loss(shn_loss_work *w, const shn_batch_labels *labels, const float *x, const float *c, double log_scale,
                          double bias, const float *b_k, double *loss, float *d_x, float *d_c, double *d_log_scale,
                          double *d_bias, float *d_bk, shn_error *err)
{
    const size_t B = labels->B, K = labels->K, E = w->E;
    if (B < 1 || B > w->B_max || K != w->K)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "loss", "batch of %zu with %zu findings, needs 1 to %zu records with %zu "
                        "findings", B, K, w->B_max, w->K);
    const double t = fmin(exp(log_scale), SHN_LOGIT_SCALE_MAX);
    class_sums   sums = { 0, 0, 0 };
    double      *bk_sum = w->target;            /* chunk * max(B, K) elements: at least K */
    memset(bk_sum, 0, K * sizeof *bk_sum);
    memset(w->d_c, 0, K * E * sizeof *w->d_c);
    shn_matrix_transpose(c, K, E, w->c_t);
    for (size_t first = 0; first < B; first += w->chunk) {
        const size_t rows = B - first < w->chunk ? B - first : w->chunk;
        shn_matrix_widen(x + first * E, rows * E, w->x);
        memset(w->dot, 0, rows * K * sizeof *w->dot);
        shn_matrix_add(w->dot, (shn_factor){ w->x, E, 1 }, w->c_t, rows, E, K);
        for (size_t r = 0; r < rows; r++)
            class_row(w->dot + r * K, labels->label + (first + r) * K, labels->known + (first + r) * K, K, (double)B, t, bias,
                      b_k, w->grad + r * K, bk_sum, &sums);
        memset(w->d_x, 0, rows * E * sizeof *w->d_x);
        shn_matrix_add(w->d_x, (shn_factor){ w->grad, K, 1 }, c, rows, K, E);
        for (size_t i = 0; i < rows * E; i++) d_x[first * E + i] = (float)(t * w->d_x[i]);
        shn_matrix_add(w->d_c, (shn_factor){ w->grad, 1, K }, x + first * E, K, rows, E);
    }
    for (size_t i = 0; i < K * E; i++) d_c[i] = (float)(t * w->d_c[i]);
    for (size_t k = 0; k < K; k++) d_bk[k] = (float)bk_sum[k];
    *loss = sums.loss;
    *d_log_scale = sums.d_log_scale;
    *d_bias = sums.d_bias;
    return SHN_OK;
}
