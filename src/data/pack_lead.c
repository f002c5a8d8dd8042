/* Millivolts to the int16 of a cohort. Nearly every lead takes the plain way: one pass for the extremes, one to round. */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "shinden/cohort.h"

#define UNITS_MAX 32767.0f

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/** Median of the finite samples; 0 when there are none or no memory to sort them (then the lead saturates instead). */
static float median(const float *x, size_t n)
{
    size_t m = 0;
    float *sorted = shn_alloc(n, sizeof *sorted);
    if (!sorted) return 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i])) sorted[m++] = x[i];
    qsort(sorted, m, sizeof *sorted, by_value);
    const float mid = m ? sorted[m / 2] : 0;
    free(sorted);
    return mid;
}

/** Nearest integer, ties to even, of |x| < 2^22, without a call: the sum has no bits left below 1. */
static int16_t round_units(float x)
{
    const float shift = 12582912.0f;                    /* 1.5 * 2^23 */
    const float sum = x + shift;
    return (int16_t)(sum - shift);
}

static int16_t pack_one(float units, uint32_t *n_clipped)
{
    if (isnan(units)) return SHN_GAP_I16;
    if (units > UNITS_MAX || units < -UNITS_MAX) {
        ++*n_clipped;
        return units > 0 ? (int16_t)UNITS_MAX : (int16_t)-UNITS_MAX;
    }
    return round_units(units);
}

void shn_cohort_pack_lead(const float *mv, size_t n, float uv_per_unit, int16_t *out, uint32_t *n_clipped, float *offset_uv)
{
    const float scale = 1000.0f / uv_per_unit;          /* units per mV */
    float low = INFINITY, high = -INFINITY;             /* NaN compares false and so leaves them alone */
    uint32_t clipped = 0;
    *offset_uv = 0;
    for (size_t i = 0; i < n; i++) {
        low = mv[i] < low ? mv[i] : low;
        high = mv[i] > high ? mv[i] : high;
    }
    float shift_mv = 0;
    if ((high * scale > UNITS_MAX || low * scale < -UNITS_MAX) && (high - low) * scale <= 2 * UNITS_MAX) {
        /* whole units, so that adding the offset back loses nothing */
        const float units = roundf(median(mv, n) * scale);
        *offset_uv = units * uv_per_unit;
        shift_mv = units / scale;
    }
    if (shift_mv == 0 && high * scale <= UNITS_MAX && low * scale >= -UNITS_MAX) {     /* nearly always */
        for (size_t i = 0; i < n; i++) out[i] = isnan(mv[i]) ? SHN_GAP_I16 : round_units(mv[i] * scale);
        *n_clipped = 0;
        return;
    }
    for (size_t i = 0; i < n; i++) out[i] = pack_one((mv[i] - shift_mv) * scale, &clipped);
    *n_clipped = clipped;
}
