#include "train/loss_work.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

static const char *const loss_names[SHN_LOSS_COUNT] = {
    [SHN_LOSS_BCE] = "bce", [SHN_LOSS_CLIP] = "clip", [SHN_LOSS_CLIP_MULTI] = "clip-multi", [SHN_LOSS_SIGLIP] = "siglip",
    [SHN_LOSS_SIGLIP_JACCARD] = "siglip-jaccard", [SHN_LOSS_JACCARD_SOFTMAX] = "jaccard-softmax",
    [SHN_LOSS_CLASS_COLUMNS] = "class-columns",
};

const char *shn_loss_name(shn_loss loss) { return (unsigned)loss < SHN_LOSS_COUNT ? loss_names[loss] : ""; }

shn_loss shn_loss_from_name(const char *name)
{
    for (int l = 0; l < SHN_LOSS_COUNT; l++)
        if (strcmp(name, loss_names[l]) == 0) return (shn_loss)l;
    return SHN_LOSS_COUNT;
}

int shn_loss_is_pair(shn_loss loss)
{
    return (unsigned)loss < SHN_LOSS_COUNT && loss != SHN_LOSS_BCE && loss != SHN_LOSS_CLASS_COLUMNS;
}

int shn_loss_has_bias(shn_loss loss) { return loss == SHN_LOSS_SIGLIP || loss == SHN_LOSS_SIGLIP_JACCARD; }

/** Takes n elements of `size` bytes from the block, each piece on its own cache line; counts only while base is NULL. */
static void *carve(uint8_t *base, size_t *used, size_t n, size_t size)
{
    void *p = base ? base + *used : NULL;
    *used += (n * size + 63) / 64 * 64;
    return p;
}

static size_t lay_out(shn_loss_work *w, uint8_t *base)
{
    const size_t columns = w->B_max > w->K ? w->B_max : w->K, words = shn_label_words(w->K);
    size_t used = 0;
    w->dot = carve(base, &used, w->chunk * columns, sizeof *w->dot);
    w->grad = carve(base, &used, w->chunk * columns, sizeof *w->grad);
    w->target = carve(base, &used, w->chunk * columns, sizeof *w->target);
    w->x = carve(base, &used, w->chunk * w->E, sizeof *w->x);
    w->d_x = carve(base, &used, w->chunk * w->E, sizeof *w->d_x);
    w->d_c = carve(base, &used, columns * w->E, sizeof *w->d_c);
    w->row_lse = carve(base, &used, w->B_max, sizeof *w->row_lse);
    w->target_sum = carve(base, &used, w->B_max, sizeof *w->target_sum);
    w->column_max = carve(base, &used, w->B_max, sizeof *w->column_max);
    w->column_sum = carve(base, &used, w->B_max, sizeof *w->column_sum);
    w->c_t = carve(base, &used, columns * w->E, sizeof *w->c_t);
    w->sets.pos = carve(base, &used, w->B_max * words, sizeof *w->sets.pos);
    w->sets.known = carve(base, &used, w->B_max * words, sizeof *w->sets.known);
    return used;
}

shn_status shn_loss_work_new(size_t B_max, size_t E, size_t K, size_t chunk, shn_loss_work **out, shn_error *err)
{
    const size_t limit = (size_t)1 << 20;       /* 1 Mi rows of 1 Mi doubles still fit 64-bit arithmetic */
    *out = NULL;
    if (B_max == 0 || E == 0 || K == 0 || chunk == 0 || B_max > limit || E > limit || K > limit)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "loss", "batch %zu, width %zu, %zu findings, chunk %zu: each must be "
                        "1 to %zu", B_max, E, K, chunk, limit);
    shn_loss_work *w = shn_alloc(1, sizeof *w);
    if (!w) return shn_fail_nomem(err, "loss");
    w->B_max = B_max;
    w->E = E;
    w->K = K;
    w->chunk = chunk < B_max ? chunk : B_max;
    w->bytes = lay_out(w, NULL);
    w->block = shn_alloc_aligned(w->bytes, 1);
    if (!w->block) {
        free(w);
        return shn_fail_nomem(err, "loss");
    }
    lay_out(w, w->block);
    *out = w;
    return SHN_OK;
}

void shn_loss_work_free(shn_loss_work *w)
{
    if (!w) return;
    free(w->block);
    free(w);
}

size_t shn_loss_work_bytes(const shn_loss_work *w) { return w->bytes + sizeof *w; }

double shn_initial_logit(double p)
{
    const double low = 1e-4, q = p < low ? low : p > 1 - low ? 1 - low : p;
    return log(q / (1 - q));
}

void shn_unit_rows(const float *z, size_t n, size_t E, float *e, double *norm)
{
    for (size_t i = 0; i < n; i++) {
        double square = 0;
        for (size_t k = 0; k < E; k++) square += (double)z[i * E + k] * (double)z[i * E + k];
        norm[i] = sqrt(square);
        const double scale = norm[i] > 0 ? 1 / norm[i] : 0;
        for (size_t k = 0; k < E; k++) e[i * E + k] = (float)((double)z[i * E + k] * scale);
    }
}

void shn_unit_rows_backward(const float *e, const double *norm, const float *d_e, size_t n, size_t E, float *d_z)
{
    for (size_t i = 0; i < n; i++) {
        if (!(norm[i] > 0)) continue;
        const float *ei = e + i * E, *gi = d_e + i * E;
        double along = 0;
        for (size_t k = 0; k < E; k++) along += (double)ei[k] * (double)gi[k];
        for (size_t k = 0; k < E; k++) d_z[i * E + k] += (float)(((double)gi[k] - (double)ei[k] * along) / norm[i]);
    }
}
