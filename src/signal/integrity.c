/**
 * What twelve leads prove about themselves. Einthoven (III = II - I) and Goldberger (aVR = -(I + II)/2, aVL = I - II/2,
 * aVF = II - I/2) hold sample by sample in any recording whose limb leads were derived from the same electrodes, up to
 * the rounding of each stored lead. A wrong lead order breaks them; no knowledge of the file is needed.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "signal/integrity.h"

enum { I = 0, II, III, AVR, AVL, AVF };
enum { CLIP_RUN = 4 };
static const double share_min = 0.95;

/* An identity holds when 95 % of the samples obey it. Single spikes, which recorders put into one lead, do not refute it; a wrong name does: a QRS
   complex and a T wave take up more than a tenth of any beat. Of the 2,926 recordings at hand with their true order five stay below the limit, of
   43,890 with two limb leads exchanged five reach it (nearly flat, or equal, leads).
   Rounding of three stored leads at 5 uV per step (the coarsest common resolution) leaves at most about 10 uV; filters and
   resampling by the recorder differ slightly from lead to lead, hence the share of the signal's own size. */
static const double tolerance_uv = 15, tolerance_share = 0.05;

typedef struct residual { double max_uv, rms_uv, tolerance_uv; size_t n, n_within; } residual;

/** Residual of a[t] = cb * b[t] + cc * c[t] in uV over samples where all three are there; scale_uv: size of leads I and II. */
static residual residual_of(const float *a, double cb, const float *b, double cc, const float *c, size_t n, double scale_uv)
{
    const double tolerance = tolerance_uv + tolerance_share * scale_uv;
    double       max = 0, square = 0;
    size_t       count = 0, within = 0;
    for (size_t t = 0; t < n; t++) {
        const double d = fabs((double)a[t] - cb * b[t] - cc * c[t]) * 1e3;
        const int    there = d < INFINITY;      /* NaN compares false */
        const double v = there ? d : 0;
        max = v > max ? v : max;
        square += v * v;
        count += (size_t)there;
        within += (size_t)(there & (v <= tolerance));
    }
    return (residual){ max, count ? sqrt(square / (double)count) : 0, tolerance, count, within };
}

static double rms_uv(const float *x, size_t n)
{
    double sum = 0, square = 0;
    size_t m = 0;
    for (size_t t = 0; t < n; t++) {
        if (!isfinite(x[t])) continue;
        sum += x[t];
        square += (double)x[t] * x[t];
        m++;
    }
    if (m == 0) return 0;
    const double mean = sum / (double)m, var = square / (double)m - mean * mean;
    return var > 0 ? sqrt(var) * 1e3 : 0;
}

static int holds(residual r) { return r.n > 0 && (double)r.n_within >= share_min * (double)r.n; }

/** Refuted, and not only undecided: too many samples disobey, and not by a trifle (leads that were filtered apart by about the tolerance). */
static int fails(residual r) { return r.n > 0 && !holds(r) && r.rms_uv > r.tolerance_uv; }

static float largest(float a, double b) { return isnan(a) || b > a ? (float)b : a; }

/** Fills the identities; lead[i] NULL where missing. */
static void check_identities(const float *const lead[SHN_LEADS], size_t n, shn_integrity *out)
{
    int n_proven = 0, n_refuted = 0, n_open = 0;
    if (!lead[I] || !lead[II]) return;
    const double scale = fmax(rms_uv(lead[I], n), rms_uv(lead[II], n));
    if (scale < 5) return;                      /* flat leads prove nothing */
    static const struct { int lead; double ci, cii; } law[4] = { { III, -1, 1 }, { AVR, -0.5, -0.5 }, { AVL, 1, -0.5 }, { AVF, -0.5, 1 } };
    for (size_t k = 0; k < 4; k++) {
        const float *x = lead[law[k].lead];
        if (!x) continue;
        const residual r = residual_of(x, law[k].ci, lead[I], law[k].cii, lead[II], n, scale);
        if (r.n == 0) continue;
        if (k == 0) out->einthoven_uv_max = (float)r.max_uv;
        else out->goldberger_uv_max = largest(out->goldberger_uv_max, r.max_uv);
        if (holds(r)) n_proven++;
        else if (fails(r)) n_refuted++;
        else n_open++;
    }
    if (n_refuted) out->swapped_avl_avf = shn_integrity_swapped(lead, n);
    out->order_proven = n_refuted ? -1 : n_proven && !n_open ? 1 : 0;
}

/** Correlation of the sample-to-sample changes of two leads: QRS against QRS, whatever the baseline does. 0 if undefined. */
static double slope_correlation(const float *x, const float *y, size_t n)
{
    double xy = 0, xx = 0, yy = 0;
    for (size_t t = 1; t < n; t++) {
        const double a = (double)x[t] - x[t - 1], b = (double)y[t] - y[t - 1];
        if (!isfinite(a) || !isfinite(b)) continue;
        xy += a * b;
        xx += a * a;
        yy += b * b;
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

/** Exchanged arm electrodes negate I and swap aVR with aVL: then I points away from V6 and aVR no longer does. */
static int arms_reversed(const float *const lead[SHN_LEADS], size_t n)
{
    return lead[I] && lead[11] && lead[AVR] && slope_correlation(lead[I], lead[11], n) < -0.5 && slope_correlation(lead[AVR], lead[11], n) > 0;
}

/**
 * The k-th smallest of n floats that are not negative, in three passes over their bits, whose order is theirs: each pass counts 11 (then 10) bits of
 * those that share the bits found before. x is left as it was.
 */
static float nth_smallest(const float *x, size_t n, size_t k)
{
    static const struct { int shift; uint32_t mask; } digits[3] = { { 21, 2047 }, { 10, 2047 }, { 0, 1023 } };
    uint32_t prefix = 0, known = 0, counts[2048], bits;
    for (int pass = 0; pass < 3; pass++) {
        memset(counts, 0, sizeof counts);
        for (size_t i = 0; i < n; i++) {
            memcpy(&bits, &x[i], sizeof bits);
            counts[bits >> digits[pass].shift & digits[pass].mask] += (bits & known) == prefix;
        }
        uint32_t digit = 0;
        while (k >= counts[digit]) k -= counts[digit++];
        prefix |= digit << digits[pass].shift;
        known |= digits[pass].mask << digits[pass].shift;
    }
    float value;
    memcpy(&value, &prefix, sizeof value);
    return value;
}

/** Noise as 1.4826 times the median absolute second difference over sqrt(6), the gain of that filter for white noise. */
static float noise_uv(const float *x, size_t n, float *scratch)
{
    size_t m = 0;
    for (size_t t = 2; t < n; t++) {
        scratch[m] = fabsf(x[t] - 2 * x[t - 1] + x[t - 2]);
        m += scratch[m] < INFINITY;
    }
    return m ? (float)(1.4826 / sqrt(6) * 1e3) * nth_smallest(scratch, m, m / 2) : 0;
}

static uint32_t count_clipped(const float *x, size_t n, float low, float high)
{
    uint32_t clipped = 0;
    for (size_t t = 0; t < n;) {
        size_t end = t + 1;
        while (end < n && x[end] == x[t]) end++;
        if (end - t >= CLIP_RUN && (x[t] == low || x[t] == high)) clipped += (uint32_t)(end - t);
        t = end;
    }
    return clipped;
}

static void examine_lead(const float *x, size_t n, float *scratch, shn_integrity *out, size_t lead)
{
    float    low = NAN, high = NAN;
    uint32_t gaps = 0;
    for (size_t t = 0; t < n; t++) {
        if (!isfinite(x[t])) {
            gaps++;
            continue;
        }
        if (isnan(low) || x[t] < low) low = x[t];
        if (isnan(high) || x[t] > high) high = x[t];
    }
    out->lead[lead].min_mv = low;
    out->lead[lead].max_mv = high;
    out->lead[lead].n_gaps = gaps;
    out->lead[lead].flat = !(high - low > 1e-3f);
    out->lead[lead].n_clipped = out->lead[lead].flat ? 0 : count_clipped(x, n, low, high);
    out->lead[lead].noise_uv = scratch ? noise_uv(x, n, scratch) : NAN;
}

void shn_integrity_examine(const shn_record *rec, float *scratch, shn_integrity *out)
{
    const size_t n = shn_record_n_samples(rec);
    const float *lead[SHN_LEADS];
    double       peak = 0;
    int          n_present = 0;

    memset(out, 0, sizeof *out);
    out->einthoven_uv_max = out->goldberger_uv_max = NAN;
    for (size_t l = 0; l < SHN_LEADS; l++) {
        const int at = shn_record_find(rec, shn_lead_name(l));
        lead[l] = at < 0 ? NULL : shn_record_lead(rec, (size_t)at);
        if (!lead[l]) {
            out->lead[l].min_mv = out->lead[l].max_mv = out->lead[l].noise_uv = NAN;
            out->lead[l].n_gaps = (uint32_t)n;
            out->lead[l].flat = 1;
            continue;
        }
        examine_lead(lead[l], n, scratch, out, l);
        const double r = rms_uv(lead[l], n);
        if (r > peak) peak = r;
        n_present++;
    }
    check_identities(lead, n, out);
    out->limb_leads_reversed = arms_reversed(lead, n);
    /* a heart gives at most some 5 mV; tens of volts RMS can only be microvolts that were called millivolts */
    out->suspect_microvolt = n_present > 0 && peak > 20e3;
}

void shn_integrity_check(const shn_record *rec, shn_integrity *out)
{
    float *scratch = shn_alloc(shn_record_n_samples(rec), sizeof *scratch);     /* without it noise is unknown, nothing else suffers */
    shn_integrity_examine(rec, scratch, out);
    free(scratch);
}

int shn_integrity_swapped(const float *const limb[6], size_t n)
{
    const float *i = limb[I], *ii = limb[II], *avl = limb[AVL], *avf = limb[AVF];
    if (!i || !ii || !avl || !avf) return 0;
    const double scale = fmax(rms_uv(i, n), rms_uv(ii, n));
    if (scale < 5 || holds(residual_of(avl, 1, i, -0.5, ii, n, scale))) return 0;
    if (limb[III] && fails(residual_of(limb[III], -1, i, 1, ii, n, scale))) return 0;
    if (limb[AVR] && fails(residual_of(limb[AVR], -0.5, i, -0.5, ii, n, scale))) return 0;
    return holds(residual_of(avf, 1, i, -0.5, ii, n, scale)) && holds(residual_of(avl, -0.5, i, 1, ii, n, scale));
}
