/**
 * Rotary positions. Files pair the elements of a head in one of two ways, and the wrong one still gives plausible vectors
 * (cosine 0.9 to the right ones), so the pairing comes from the weights' reader and is tested against `transformers`.
 */
#include <math.h>

#include "text/lm_parts.h"

void shn_lm_rope_table(size_t positions, size_t head_size, double theta, const float *divisor, float *cosine, float *sine)
{
    const size_t half = head_size / 2;
    for (size_t i = 0; i < half; i++) {
        const double frequency = pow(theta, -2.0 * (double)i / (double)head_size) / (divisor ? (double)divisor[i] : 1);
        for (size_t p = 0; p < positions; p++) {
            cosine[p * half + i] = (float)cos((double)p * frequency);
            sine[p * half + i] = (float)sin((double)p * frequency);
        }
    }
}

void shn_lm_rope(float *head, size_t head_size, const float *cosine, const float *sine, int interleaved)
{
    const size_t half = head_size / 2;
    for (size_t i = 0; i < half; i++) {
        float *a = head + (interleaved ? 2 * i : i), *b = interleaved ? a + 1 : a + half;
        const float x = *a, y = *b;
        *a = x * cosine[i] - y * sine[i];
        *b = y * cosine[i] + x * sine[i];
    }
}
