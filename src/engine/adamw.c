/** AdamW on plain arrays. Engines run the same operations in the same order, so that all of them give the same bits. */
#include <math.h>

#include "shinden/engine.h"

void shn_adamw_update(float *p, const float *g, float *m, float *v, size_t n, const shn_adamw *h, int decay, uint64_t step,
                      float grad_scale)
{
    const double c1 = 1 - pow(h->beta1, (double)step), c2 = 1 - pow(h->beta2, (double)step);
    const float  keep = decay ? (float)(1 - (double)h->lr * h->weight_decay) : 1.f;
    const float  rate = (float)(h->lr / c1), root = (float)sqrt(c2);
    const float  b1 = h->beta1, b2 = h->beta2, n1 = (float)(1 - (double)h->beta1), n2 = (float)(1 - (double)h->beta2);
    for (size_t i = 0; i < n; i++) {
        const float gi = g[i] * grad_scale;
        m[i] = b1 * m[i] + n1 * gi;
        v[i] = b2 * v[i] + n2 * (gi * gi);
        p[i] = p[i] * keep - rate * (m[i] / (sqrtf(v[i]) / root + h->eps));
    }
}
