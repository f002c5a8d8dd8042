/** Norms. Sums are double in eight fixed lanes: the bits are the same on every machine, and no slower than the memory. */
#include <math.h>

#include "text/lm_parts.h"

enum { LANES = 8 };

static double fold(const double *lane) { return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7])); }

static double sum(const float *x, size_t n)
{
    double lane[LANES] = { 0 };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l] += (double)x[i + l];
    for (size_t l = 0; i < n; i++, l++) lane[l] += (double)x[i];
    return fold(lane);
}

static double sum_squares(const float *x, size_t n, double mean)
{
    double lane[LANES] = { 0 };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t l = 0; l < LANES; l++) lane[l] += ((double)x[i + l] - mean) * ((double)x[i + l] - mean);
    for (size_t l = 0; i < n; i++, l++) lane[l] += ((double)x[i] - mean) * ((double)x[i] - mean);
    return fold(lane);
}

void shn_lm_rms_norm(const float *x, const float *w, size_t n, double eps, float *y)
{
    const float scale = (float)(1 / sqrt(sum_squares(x, n, 0) / (double)n + eps));
    for (size_t i = 0; i < n; i++) y[i] = x[i] * scale * w[i];
}

void shn_lm_layer_norm(const float *x, const float *w, const float *b, size_t n, double eps, float *y)
{
    const double mean = sum(x, n) / (double)n;
    const double scale = 1 / sqrt(sum_squares(x, n, mean) / (double)n + eps);
    for (size_t i = 0; i < n; i++) y[i] = (float)(((double)x[i] - mean) * scale) * w[i] + b[i];
}
