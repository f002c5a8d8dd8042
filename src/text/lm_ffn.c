/** The non-linearities of the feed-forward part. */
#include <math.h>

#include "text/lm_parts.h"

/** x sigmoid(x). For x below -88 expf overflows to infinity and the quotient is the right limit, -0. */
static void silu(float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = y[i] / (1 + expf(-y[i]));
}

/** x Phi(x). Source: Hendrycks and Gimpel 2016, arXiv:1606.08415. */
static void gelu(float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = 0.5f * y[i] * (1 + erff(y[i] * 0.70710678f));
}

static void gelu_tanh(float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = 0.5f * y[i] * (1 + tanhf(0.79788456f * (y[i] + 0.044715f * y[i] * y[i] * y[i])));
}

void shn_lm_activate(shn_lm_activation kind, float *y, size_t n)
{
    if (kind == SHN_LM_SILU) silu(y, n);
    else if (kind == SHN_LM_GELU) gelu(y, n);
    else gelu_tanh(y, n);
}
