#include "eval/ridge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

/* ---- linear equations ---- */

/** In-place Cholesky of a symmetric matrix [n][n] (lower triangle). 0 if it is not positive definite, which NaN never is. */
static int cholesky(double *a, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        for (size_t i = j; i < n; i++) {
            double sum = a[i * n + j];
            for (size_t k = 0; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
            if (i == j) {
                if (!(sum > 0) || !isfinite(sum)) return 0;
                a[j * n + j] = sqrt(sum);
            } else {
                a[i * n + j] = sum / a[j * n + j];
            }
        }
    }
    return 1;
}

/** Solves L L' w = b for each of K columns of b [n][K], in place. */
static void solve(const double *l, size_t n, double *b, size_t K)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            for (size_t k = 0; k < K; k++) b[i * K + k] -= l[i * n + j] * b[j * K + k];
        for (size_t k = 0; k < K; k++) b[i * K + k] /= l[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t j = i + 1; j < n; j++)
            for (size_t k = 0; k < K; k++) b[i * K + k] -= l[j * n + i] * b[j * K + k];
        for (size_t k = 0; k < K; k++) b[i * K + k] /= l[i * n + i];
    }
}

/* ---- findings that are known to the same records share their sums of squares ---- */

/** Sums over the records of one fold that know the group's findings. */
typedef struct sums {
    double  n;
    double *x, *xx;                     /* [F]; [F][F], lower triangle */
    double *y, *xy;                     /* [M]; [F][M] for the group's M findings */
} sums;

typedef struct group {
    const ridge_data *d;
    size_t *finding, M;                 /* [M] */
    sums   *fold, all;                  /* [n_folds]; scratch: those that take part */
} group;

static int sums_alloc(sums *s, size_t F, size_t K)
{
    s->x = shn_alloc(F, sizeof *s->x);
    s->xx = shn_alloc(F * F, sizeof *s->xx);
    s->y = shn_alloc(K, sizeof *s->y);
    s->xy = shn_alloc(F * K, sizeof *s->xy);
    return s->x && s->xx && s->y && s->xy;
}

static void sums_clear(sums *s, size_t F, size_t M)
{
    s->n = 0;
    memset(s->x, 0, F * sizeof *s->x);
    memset(s->xx, 0, F * F * sizeof *s->xx);
    memset(s->y, 0, M * sizeof *s->y);
    memset(s->xy, 0, F * M * sizeof *s->xy);
}

static void sums_free(sums *s)
{
    free(s->x);
    free(s->xx);
    free(s->y);
    free(s->xy);
}

static void add_arrays(double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) a[i] += b[i];
}

static void group_free(group *g)
{
    for (size_t f = 0; g->fold && f < g->d->n_folds; f++) sums_free(&g->fold[f]);
    free(g->fold);
    sums_free(&g->all);
    free(g->finding);
}

/** Room for any group of the data. */
static int group_alloc(const ridge_data *d, group *g)
{
    *g = (group){ .d = d };
    g->finding = shn_alloc(d->K, sizeof *g->finding);
    g->fold = shn_alloc(d->n_folds, sizeof *g->fold);
    int ok = g->finding && g->fold && sums_alloc(&g->all, d->F, d->K);
    for (size_t f = 0; ok && f < d->n_folds; f++) ok = sums_alloc(&g->fold[f], d->F, d->K);
    return ok;
}

static int same_records(const ridge_data *d, size_t a, size_t b)
{
    for (size_t i = 0; i < d->n; i++)
        if (!d->known[i * d->K + a] != !d->known[i * d->K + b]) return 0;
    return 1;
}

/** Makes the group of finding `first` and all later ones with the same records, and marks them as taken. */
static void group_collect(group *g, size_t first, uint8_t *taken)
{
    const ridge_data *d = g->d;
    g->M = 0;
    for (size_t k = first; k < d->K; k++) {
        if (taken[k] || !same_records(d, first, k)) continue;
        taken[k] = 1;
        g->finding[g->M++] = k;
    }
    for (size_t f = 0; f < d->n_folds; f++) sums_clear(&g->fold[f], d->F, g->M);
    for (size_t i = 0; i < d->n; i++) {
        if (!d->known[i * d->K + first]) continue;
        sums         *s = &g->fold[d->fold[i]];
        const double *x = d->x + i * d->F;
        s->n++;
        for (size_t a = 0; a < d->F; a++) {
            s->x[a] += x[a];
            for (size_t b = 0; b <= a; b++) s->xx[a * d->F + b] += x[a] * x[b];
        }
        for (size_t m = 0; m < g->M; m++) {
            if (!d->label[i * d->K + g->finding[m]]) continue;
            s->y[m]++;
            for (size_t a = 0; a < d->F; a++) s->xy[a * g->M + m] += x[a];
        }
    }
}

/** Weights [F][M] in g->all.xy from every fold but left_out (n_folds: from all). 0 if they are not finite. */
static int group_fit(group *g, size_t left_out, double penalty)
{
    const size_t F = g->d->F, M = g->M;
    sums        *s = &g->all;
    sums_clear(s, F, M);
    for (size_t f = 0; f < g->d->n_folds; f++) {
        if (f == left_out) continue;
        s->n += g->fold[f].n;
        add_arrays(s->x, g->fold[f].x, F);
        add_arrays(s->xx, g->fold[f].xx, F * F);
        add_arrays(s->y, g->fold[f].y, M);
        add_arrays(s->xy, g->fold[f].xy, F * M);
    }
    if (s->n == 0) return 1;                            /* nobody to learn from: xy is 0 */
    for (size_t a = 0; a < F; a++) {                    /* centred by the records that take part */
        for (size_t b = 0; b <= a; b++) s->xx[a * F + b] -= s->x[a] * s->x[b] / s->n;
        for (size_t m = 0; m < M; m++) s->xy[a * M + m] -= s->x[a] * s->y[m] / s->n;
        s->xx[a * F + a] += penalty;
    }
    if (!cholesky(s->xx, F)) return 0;
    solve(s->xx, F, s->xy, M);
    return 1;
}

/** Scores of the records of one fold, known or not. */
static void group_score(const group *g, size_t fold, float *score)
{
    const ridge_data *d = g->d;
    for (size_t i = 0; i < d->n; i++) {
        if (d->fold[i] != fold) continue;
        for (size_t m = 0; m < g->M; m++) {
            double sum = 0;
            for (size_t a = 0; a < d->F; a++) sum += d->x[i * d->F + a] * g->all.xy[a * g->M + m];
            score[i * d->K + g->finding[m]] = (float)sum;
        }
    }
}

/** One group at one penalty; 0 if something is not finite. */
static int group_work(group *g, double penalty, double *weight, float *left_out)
{
    const size_t F = g->d->F, n_folds = g->d->n_folds;
    for (size_t f = 0; f < n_folds && n_folds > 1; f++) {
        if (!group_fit(g, f, penalty)) return 0;
        group_score(g, f, left_out);
    }
    if (!group_fit(g, n_folds, penalty)) return 0;
    if (n_folds == 1) group_score(g, 0, left_out);
    for (size_t m = 0; m < g->M; m++)
        for (size_t a = 0; a < F; a++) weight[g->finding[m] * F + a] = g->all.xy[a * g->M + m];
    return 1;
}

shn_status ridge_fit(const ridge_data *d, const double *penalties, size_t n_penalties, double *weight, float *left_out, shn_error *err)
{
    group    g;
    uint8_t *taken = shn_alloc(d->K, 1);
    int      ok = group_alloc(d, &g) && taken, finite = 1;
    for (size_t k = 0; k < d->K && ok && finite; k++) {
        if (taken[k]) continue;
        group_collect(&g, k, taken);
        for (size_t p = 0; p < n_penalties && finite; p++)
            finite = group_work(&g, penalties[p], weight + p * d->K * d->F, left_out + p * d->n * d->K);
    }
    group_free(&g);
    free(taken);
    if (!ok) return shn_fail_nomem(err, "eval.ridge");
    return finite ? SHN_OK : shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "eval.ridge", "a feature is not finite on these records");
}
