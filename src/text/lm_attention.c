/** Softmax attention of one head. Label texts are short, so this is a few per cent of the work: plain loops in fixed lanes. */
#include <math.h>
#include <string.h>

#include "base/clones.h"
#include "text/lm_parts.h"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")              /* -O2 leaves loops of unknown length scalar */
#endif

enum { LANES = 16 };

SHN_CLONES static float dot(const float *restrict a, const float *restrict b, size_t n)
{
    float  lane[LANES] = { 0 };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l] += a[i + l] * b[i + l];
    for (size_t l = 0; i < n; i++, l++) lane[l] += a[i] * b[i];
    for (size_t width = LANES / 2; width > 0; width /= 2)
        for (size_t l = 0; l < width; l++) lane[l] += lane[l + width];
    return lane[0];
}

SHN_CLONES static void add_scaled(float *restrict y, const float *restrict x, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] += scale * x[i];
}

/** In place; returns nothing but probabilities: the sum is double so that long rows lose nothing. */
static void softmax(float *s, size_t n)
{
    float  most = s[0];
    double total = 0;
    for (size_t j = 1; j < n; j++) most = s[j] > most ? s[j] : most;
    for (size_t j = 0; j < n; j++) {
        s[j] = expf(s[j] - most);
        total += (double)s[j];
    }
    for (size_t j = 0; j < n; j++) s[j] = (float)((double)s[j] / total);
}

void shn_lm_attend(const shn_lm_head *h, size_t first, size_t P, int causal, float *scores)
{
    const float scale = (float)(1 / sqrt((double)h->size));
    for (size_t i = first; i < P; i++) {
        const size_t seen = causal ? i + 1 : P;
        const float *q = h->q + h->row[i] * h->q_stride;
        float       *out = h->out + h->row[i] * h->out_stride;
        for (size_t j = 0; j < seen; j++) scores[j] = dot(q, h->k + h->row[j] * h->kv_stride, h->size) * scale;
        softmax(scores, seen);
        memset(out, 0, h->size * sizeof *out);
        for (size_t j = 0; j < seen; j++) add_scaled(out, h->v + h->row[j] * h->kv_stride, scores[j], h->size);
    }
}
