/**
 * A small ECG reader for tests: it measures clean twelve-lead records from their samples alone, the way a person with a
 * ruler would, and shares no code and no constants with the simulator. Times in seconds, amplitudes in mV.
 */
#ifndef SHN_TESTS_ECG_READER_H
#define SHN_TESTS_ECG_READER_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RD_I, RD_II, RD_III, RD_AVR, RD_AVL, RD_AVF, RD_V1, RD_V2, RD_V3, RD_V4, RD_V5, RD_V6, RD_LEADS };
enum { RD_BEATS = 64, RD_BEFORE = 230, RD_AFTER = 330, RD_WINDOW = RD_BEFORE + RD_AFTER };   /* samples at 500 Hz */
#define RD_FS 500.0

typedef struct reading {
    float *x[RD_LEADS];                 /**< own copies, spikes taken out */
    int    n, n_spikes;
    int    n_beats, r_at[RD_BEATS], onset[RD_BEATS];
    int    same[RD_BEATS];              /**< 1: shaped like the dominant beat */
    int    premature[RD_BEATS];
    double rr_mean, rr_cv, rr_range, rr_median, rr_least;
    float  mean_beat[RD_LEADS][RD_WINDOW];      /**< of the dominant beats, baseline where the signal rests before the QRS; sample RD_BEFORE is QRS onset */
    double restless;                    /**< mV that the eight leads move, in sum, in the quietest 20 ms before QRS; mean over beats */
    int    n_dropped;                   /**< P waves in pauses: no QRS follows them */
    double pr_first, pr_last;           /**< mean PR peak distance of beats after and before such pauses */
    int    n_lone_p;                    /**< P-like humps between T and the next QRS, all of them */
    double p_share;                     /**< energy of the mean P window over the mean energy of the windows: 1 locked to QRS, 1/n not */
    double p_height, p_ii, p_length, pr;
    double qrs, qt, axis;
    double r[RD_LEADS], s[RD_LEADS], q[RD_LEADS], q_length[RD_LEADS], late[RD_LEADS], st[RD_LEADS], t[RD_LEADS];
    double flutter;                     /**< share of the signal between QRS complexes that one saw tooth explains */
} reading;

static const int rd_free[] = { RD_I, RD_II, RD_V1, RD_V2, RD_V3, RD_V4, RD_V5, RD_V6 };

/** A pacing spike is as high over 4 ms as over 10 ms; no QRS is. It is cut out along a straight line. */
static void rd_take_spikes(reading *m)
{
    int last = -1000;
    for (int i = 8; i < m->n - 8; i++)
        for (int l = 0; l < RD_LEADS; l++) {
            const float *x = m->x[l];
            const double near = fabs(x[i] - 0.5 * (x[i - 2] + x[i + 2])), far = fabs(x[i] - 0.5 * (x[i - 5] + x[i + 5]));
            if (near < 0.12 || near < 0.75 * far) continue;
            m->n_spikes += i - last > 20;
            last = i;
            for (int k = 0; k < RD_LEADS; k++)
                for (int j = -3; j <= 3; j++)
                    m->x[k][i + j] = m->x[k][i - 4] + (m->x[k][i + 4] - m->x[k][i - 4]) * (float)(j + 4) / 8;
            break;
        }
}

/** Sum over the free leads of the absolute slope, mV per 4 ms. */
static void rd_activity(const reading *m, float *a)
{
    for (int i = 0; i < m->n; i++) {
        a[i] = 0;
        if (i < 1 || i >= m->n - 1) continue;
        for (int k = 0; k < 8; k++) a[i] += fabsf(m->x[rd_free[k]][i + 1] - m->x[rd_free[k]][i - 1]);
    }
}

static int rd_compare_float(const void *a, const void *b) { return (*(const float *)a > *(const float *)b) - (*(const float *)a < *(const float *)b); }

/** From the steepest place outwards until 22 ms are quiet: under a share of that steepness plus what ST and T may slope. */
static int rd_edge(const float *a, int n, int from, int step, int reach, double floor, double share)
{
    double top = 0;
    int    quiet = 0, i = from;
    for (int k = from - 30; k <= from + 30; k++)
        if (k >= 0 && k < n) top = fmax(top, a[k]);
    for (; i > 1 && i < n - 2 && abs(i - from) < reach; i += step) {
        quiet = a[i] < floor + share * top ? quiet + 1 : 0;
        if (quiet == 11) return i - 10 * step;
    }
    /* ST slopes on: the J point is where it first slopes least */
    for (i = from + 20 * step; abs(i - from) < 62 && i > 11 && i < n - 12; i += step) {
        int least = 1;
        for (int k = -10; least && k <= 10; k++) least = a[i + k] >= a[i];
        if (least) return i;
    }
    return i;
}

/** Curvature over 10 ms, summed over 20 ms: QRS bends sharply, T and P do not. */
static void rd_curvature(const reading *m, float *b)
{
    float *c = calloc((size_t)m->n, sizeof *c);
    for (int i = 5; i < m->n - 5; i++)
        for (int k = 0; k < 8; k++) {
            const float *x = m->x[rd_free[k]];
            c[i] += fabsf(x[i + 5] - 2 * x[i] + x[i - 5]);
        }
    for (int i = 10; i < m->n - 10; i++)
        for (int k = -5; k <= 5; k++) b[i] += c[i + k];
    free(c);
}

/** Height within 50 ms on either side, summed over the free leads. */
static float rd_height(const reading *m, int at)
{
    float sum = 0;
    for (int k = 0; k < 8; k++) {
        float low = 1e9f, high = -1e9f;
        for (int i = at - 25; i <= at + 25; i++) {
            low = fminf(low, m->x[rd_free[k]][i]);
            high = fmaxf(high, m->x[rd_free[k]][i]);
        }
        sum += high - low;
    }
    return sum;
}

/** Height times the steepest slope within the same 100 ms; its root, so that it scales as mV. */
static float rd_force(const reading *m, const float *a, int at)
{
    float steep = 0;
    for (int i = at - 25; i <= at + 25; i++) steep = fmaxf(steep, a[i]);
    return sqrtf(rd_height(m, at) * steep);
}

/** Of n values, the one that 85 % do not exceed. */
static float rd_large(const float *values, int n)
{
    float in_order[RD_BEATS];
    memcpy(in_order, values, (size_t)n * sizeof *values);
    qsort(in_order, (size_t)n, sizeof *in_order, rd_compare_float);
    return n > 0 ? in_order[(int)(0.85 * (n - 1))] : 0;
}

/** Sharp bends that are also high and steep. */
static void rd_find_beats(reading *m, const float *a)
{
    float *b = calloc((size_t)m->n, sizeof *b), *sorted = calloc((size_t)m->n, sizeof *b), force[RD_BEATS];
    int    at[RD_BEATS], sharp[RD_BEATS], n = 0;
    rd_curvature(m, b);
    memcpy(sorted, b, (size_t)m->n * sizeof *b);
    qsort(sorted, (size_t)m->n, sizeof *b, rd_compare_float);
    const float limit = 0.03f * sorted[(int)(0.985 * m->n)];
    for (int i = 40; i < m->n - 40 && n < RD_BEATS; i++) {
        int is_top = b[i] > limit;
        for (int k = -100; is_top && k <= 100; k++)
            if (i + k >= 0 && i + k < m->n && (b[i + k] > b[i] || (b[i + k] == b[i] && k < 0))) is_top = 0;
        if (!is_top) continue;
        at[n] = i;
        force[n] = rd_force(m, a, i);
        sharp[n] = b[i] > 2.6f * rd_height(m, i);
        n++;
    }
    /* An early beat may have a quarter of the usual force; but P waves, on T waves too, come up to 1.1 (mV^2 per 4 ms, rooted), though
       never so sharply bent for their height as a narrow QRS. */
    const float usual = rd_large(force, n), least = fmaxf(0.27f * usual, fminf(1.2f, 0.6f * usual));
    for (int i = 0; i < n; i++) {
        if (force[i] < least && !(sharp[i] && force[i] > 0.2f * usual)) continue;
        m->r_at[m->n_beats] = at[i];
        m->onset[m->n_beats++] = rd_edge(a, m->n, at[i], -1, 100, 0.03, 0.10);
    }
    free(b);
    free(sorted);
}

/** Likeness of two beats' QRS over all leads, -1..1. */
static double rd_likeness(const reading *m, int one, int two)
{
    double xy = 0, xx = 0, yy = 0;
    for (int k = 0; k < 8; k++)
        for (int i = 0; i < 60; i++) {
            if (m->onset[one] + i >= m->n || m->onset[two] + i >= m->n) continue;
            const double x = m->x[rd_free[k]][m->onset[one] + i], y = m->x[rd_free[k]][m->onset[two] + i];
            xy += x * y;
            xx += x * x;
            yy += y * y;
        }
    return xy / sqrt(xx * yy + 1e-12);
}

/** The dominant shape is that of the beat, not an early one, which most others are like. */
static void rd_sort_beats(reading *m)
{
    int best = 0, best_count = -1;
    for (int i = 0; i < m->n_beats; i++) {
        int count = 0;
        for (int k = 0; k < m->n_beats; k++) count += rd_likeness(m, i, k) > 0.92;
        if (!m->premature[i] && count > best_count) {
            best_count = count;
            best = i;
        }
    }
    for (int i = 0; i < m->n_beats; i++) m->same[i] = rd_likeness(m, best, i) > 0.92;
}

static void rd_intervals(reading *m)
{
    float  rr[RD_BEATS], sorted[RD_BEATS];
    double sum = 0, square = 0, low = 1e9, high = 0;
    int    n = m->n_beats - 1;
    if (n < 2) return;                  /* nothing to compare: every number stays 0 */
    for (int i = 0; i < n; i++) {
        rr[i] = (float)((m->onset[i + 1] - m->onset[i]) / RD_FS);
        sum += rr[i];
        square += rr[i] * rr[i];
        low = fmin(low, rr[i]);
        high = fmax(high, rr[i]);
    }
    memcpy(sorted, rr, sizeof sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, rd_compare_float);
    m->rr_median = sorted[(n - 1) / 2];
    /* early: much sooner than the next one, and sooner than usual unless its shape is new (in bigeminy nothing is usual) */
    for (int i = 1; i <= n; i++) {
        const double next = i < n ? rr[i] : rr[i - 2];
        m->premature[i] = rr[i - 1] < 0.76 * next && (rr[i - 1] < 0.84 * m->rr_median || rd_likeness(m, i, i - 1) < 0.92);
    }
    m->premature[0] = rr[0] > 1.32 * rr[1] && rd_likeness(m, 0, 1) < 0.92;
    m->rr_mean = sum / n;
    m->rr_cv = sqrt(fmax(0, square / n - m->rr_mean * m->rr_mean)) / m->rr_mean;
    m->rr_range = high - low;
    m->rr_least = low;
}

/** Where the signal rests before a QRS: the middle of the 20 ms, within 300 ms, in which the leads move least. */
static int rd_rest(const reading *m, int onset, double *moves)
{
    double least = 1e9;
    int    best = onset - 6;
    for (int i = onset - 6; i > onset - 150 && i > 12; i--) {
        double moved = 0;
        for (int k = 0; k < 8; k++)
            for (int j = -5; j < 5; j++) moved += fabs(m->x[rd_free[k]][i + j + 1] - m->x[rd_free[k]][i + j]);
        if (moved < least) {
            least = moved;
            best = i;
        }
    }
    if (moves) *moves = least;
    return best;
}

static int rd_counts(const reading *m, int b)
{
    return b > 0 && m->same[b] && !m->premature[b] && m->onset[b] >= RD_BEFORE && m->onset[b] + RD_AFTER < m->n;
}

/** Mean of the dominant, not premature beats, and how firmly what precedes them is tied to them. */
static void rd_average(reading *m)
{
    double energy_each = 0, energy_mean = 0;
    int    n = 0;
    for (int b = 0; b < m->n_beats; b++) {
        if (!rd_counts(m, b)) continue;
        double    moves;
        const int rest = rd_rest(m, m->onset[b], &moves);
        m->restless += moves;
        for (int l = 0; l < RD_LEADS; l++) {
            const double base = m->x[l][rest];
            for (int i = 0; i < RD_WINDOW; i++) m->mean_beat[l][i] += (float)(m->x[l][m->onset[b] - RD_BEFORE + i] - base);
        }
        n++;
    }
    for (int l = 0; l < RD_LEADS; l++)
        for (int i = 0; i < RD_WINDOW; i++) m->mean_beat[l][i] /= (float)(n > 0 ? n : 1);
    m->restless /= n > 0 ? n : 1;
    /* the 80 ms before the PR segment, slope taken off: P is a hump there whatever the PR interval */
    const int from = RD_BEFORE - 110, to = RD_BEFORE - 15;
    for (int k = 0; k < 8; k++) {
        const float *mean = m->mean_beat[rd_free[k]], *x = m->x[rd_free[k]];
        for (int i = from; i < to; i++) energy_mean += n * pow(mean[i] - mean[i - 8], 2);
        for (int b = 0; b < m->n_beats; b++) {
            if (!rd_counts(m, b)) continue;
            const float *y = x + m->onset[b] - RD_BEFORE;
            for (int i = from; i < to; i++) energy_each += pow(y[i] - y[i - 8], 2);
        }
    }
    m->p_share = energy_mean / (energy_each + 1e-12);
}

/** Size of the P vector: root of the sum of squares over the free leads. */
static double rd_size(const reading *m, int i)
{
    double sum = 0;
    for (int k = 0; k < 8; k++) sum += pow(m->mean_beat[rd_free[k]][i], 2);
    return sqrt(sum);
}

/** Back from i to the first local maximum of the P vector's size, not further than `reach` samples; -1: none. */
static int rd_hump(const reading *m, int i, int reach, double least)
{
    for (const int stop = i - reach; i > stop && i > 12; i--) {
        int is_top = rd_size(m, i) > least;
        for (int k = -6; is_top && k <= 6; k++) is_top = rd_size(m, i + k) <= rd_size(m, i);
        if (is_top) return i;
    }
    return -1;
}

/** From a hump's top outwards to 13.5 % of it, where a bell curve is two standard deviations away, or to a turn upwards. */
static int rd_foot(const reading *m, int top, int step)
{
    const double floor = 0.135 * rd_size(m, top);
    int          i = top;
    while (i > 4 && i < RD_WINDOW - 5 && abs(i - top) < 40 && rd_size(m, i) > floor &&
           (rd_size(m, i) > 0.5 * rd_size(m, top) || rd_size(m, i + step) <= rd_size(m, i))) i += step;
    return i;
}

/** P in the mean beat: the last hump before the PR segment, with an earlier one within 90 ms that is no T wave's tail. */
static void rd_read_p(reading *m)
{
    const int last = rd_hump(m, RD_BEFORE - 14, 165, 0.05);
    m->pr = m->p_length = NAN;
    if (last < 0) return;
    int start = rd_foot(m, last, -1), first = rd_hump(m, last - 10, 38, 0.05);
    if (first > 0 && rd_size(m, rd_foot(m, first, -1)) < 0.35 * rd_size(m, first)) start = rd_foot(m, first, -1);
    const int end = rd_foot(m, last, 1);
    m->p_height = rd_size(m, last);
    m->pr = (RD_BEFORE - start) / RD_FS;
    m->p_length = (end - start) / RD_FS;
    for (int i = start; i < end && i < RD_BEFORE; i++) m->p_ii = fmax(m->p_ii, m->mean_beat[RD_II][i]);
}

static void rd_read_qrs(reading *m)
{
    float a[RD_WINDOW] = { 0 }, bend[RD_WINDOW] = { 0 };
    for (int i = 3; i < RD_WINDOW - 3; i++)
        for (int k = 0; k < 8; k++) {
            const float *x = m->mean_beat[rd_free[k]];
            a[i] += fabsf(x[i + 1] - x[i - 1]);
            bend[i] += fabsf(x[i + 3] - 2 * x[i] + x[i - 3]);
        }
    int steep = RD_BEFORE;
    for (int i = RD_BEFORE; i < RD_BEFORE + 80; i++)
        if (a[i] > a[steep]) steep = i;
    /* the end by bends and steep limbs, since ST may slope gently from the J point on; bends reach 4 samples beyond the wave */
    for (int i = 0; i < RD_WINDOW; i++) bend[i] = fmaxf(bend[i], 0.25f * a[i]);
    const int end = rd_edge(bend, RD_WINDOW, steep, 1, 80, 0.02, 0.05) - 4, start = rd_edge(a, RD_WINDOW, steep, -1, 100, 0.03, 0.10);
    m->qrs = (end - start) / RD_FS;
    for (int l = 0; l < RD_LEADS; l++) {
        const float *x = m->mean_beat[l];
        int          q_over = 0, late_from = start + (int)(0.76 * (end - start));
        for (int i = start - 2; i <= end; i++) {
            m->r[l] = fmax(m->r[l], x[i]);
            m->s[l] = fmin(m->s[l], x[i]);
            if (i >= late_from && fabs(x[i]) > fabs(m->late[l])) m->late[l] = x[i];
            if (!q_over && x[i] < -0.03) {
                m->q[l] = fmin(m->q[l], x[i]);
                m->q_length[l] += 1 / RD_FS;
            } else if (x[i] > 0.03 || m->q[l] < 0) {
                q_over = 1;
            }
        }
        m->st[l] = x[end + 30];
    }
    m->axis = atan2((m->r[RD_AVF] + m->s[RD_AVF]) * 1.1547, m->r[RD_I] + m->s[RD_I]) * 180 / M_PI;
}

/** T: largest excursion after ST in each lead; its end by the tangent at the steepest fall, in the lead with the largest T. */
static void rd_read_t(reading *m)
{
    const int from = RD_BEFORE + (int)((m->qrs + 0.09) * RD_FS), room = (int)(fmin(0.64, m->rr_least - 0.03) * RD_FS);
    int       best = RD_II, at[RD_LEADS] = { 0 };
    for (int l = 0; l < RD_LEADS; l++) {
        for (int i = from; i < RD_BEFORE + room && i < RD_WINDOW - 6; i++)
            if (fabs(m->mean_beat[l][i]) > fabs(m->t[l])) {
                m->t[l] = m->mean_beat[l][i];
                at[l] = i;
            }
        if (fabs(m->t[l]) > fabs(m->t[best])) best = l;
    }
    const float *x = m->mean_beat[best];
    const double sign = m->t[best] > 0 ? 1 : -1;
    double       steepest = 0;
    int          where = at[best];
    for (int i = at[best]; i < at[best] + 60 && i < RD_WINDOW - 2; i++)
        if (sign * (x[i - 1] - x[i + 1]) > steepest) {
            steepest = sign * (x[i - 1] - x[i + 1]);
            where = i;
        }
    m->qt = (where - RD_BEFORE + sign * x[where] / (steepest / 2 + 1e-9)) / RD_FS;
}

/** Height of the lead vector over its resting place, from raw samples. */
static double rd_raw_size(const reading *m, int i, int rest)
{
    double sum = 0;
    for (int k = 0; k < 8; k++) sum += pow(m->x[rd_free[k]][i] - m->x[rd_free[k]][rest], 2);
    return sqrt(sum);
}

/** Humps from `from` to `to` (samples), each at least 0.06 mV and 90 ms from the last; at[] holds up to 8. */
static int rd_humps(const reading *m, int from, int to, int rest, int *at)
{
    int n = 0;
    for (int i = from; i <= to && n < 8; i++) {
        int is_top = rd_raw_size(m, i, rest) > 0.06;
        for (int k = -12; is_top && k <= 12; k++) is_top = i + k > 0 && i + k < m->n && rd_raw_size(m, i + k, rest) <= rd_raw_size(m, i, rest);
        if (is_top && (n == 0 || i - at[n - 1] > 45)) at[n++] = i;
    }
    return n;
}

/** P waves on their own: between the end of T and the next QRS there may be one (its own), two (one was dropped), any. */
static void rd_atrial(reading *m)
{
    const int t_end = (int)((isfinite(m->qt) && m->qt > 0.2 && m->qt < 0.62 ? m->qt + 0.05 : 0.45) * RD_FS);
    int       at[8], before[8], pauses = 0;
    double    first = 0, last = 0;
    for (int b = 0; b + 1 < m->n_beats; b++) {
        if (m->onset[b + 1] - m->onset[b] < t_end + 40) continue;
        const int rest = rd_rest(m, m->onset[b + 1], NULL), n = rd_humps(m, m->onset[b] + t_end, m->onset[b + 1] - 16, rest, at);
        m->n_lone_p += n;
        if (n != 2 || m->premature[b] || b == 0) continue;
        m->n_dropped++;
        const int rest_before = rd_rest(m, m->onset[b], NULL), from = m->onset[b] - 190, k = rd_humps(m, from > 12 ? from : 12, m->onset[b] - 16, rest_before, before);
        if (k == 0) continue;
        first += (m->onset[b + 1] - at[1]) / RD_FS;
        last += (m->onset[b] - before[k - 1]) / RD_FS;
        pauses++;
    }
    m->pr_first = first / pauses;
    m->pr_last = last / pauses;
}

/** Best fit of one frequency from 4.1 to 5.5 Hz with its second harmonic to II, III or aVF between the QRS complexes. */
static void rd_flutter(reading *m)
{
    static const int leads[] = { RD_II, RD_III, RD_AVF };
    char            *use = malloc((size_t)m->n);
    memset(use, 1, (size_t)m->n);
    for (int b = 0; b < m->n_beats; b++)
        for (int i = m->onset[b] - 10; i < m->onset[b] + 80; i++)
            if (i >= 0 && i < m->n) use[i] = 0;
    for (int l = 0; l < 3; l++)
        for (double hz = 4.1; hz <= 5.5; hz += 0.02) {
            double total = 0, mean = 0, a[4] = { 0 }, explained = 0;
            int    n = 0;
            for (int i = 0; i < m->n; i += 4)
                if (use[i]) { mean += m->x[leads[l]][i]; n++; }
            mean /= n;
            for (int i = 0; i < m->n; i += 4) {
                if (!use[i]) continue;
                const double y = m->x[leads[l]][i] - mean, w = 2 * M_PI * hz * i / RD_FS;
                total += y * y;
                a[0] += y * cos(w);
                a[1] += y * sin(w);
                a[2] += y * cos(2 * w);
                a[3] += y * sin(2 * w);
            }
            for (int k = 0; k < 4; k++) explained += a[k] * a[k] * 2 / n;
            m->flutter = fmax(m->flutter, explained / (total + 1e-12));
        }
    free(use);
}

/** Reads leads[12] of n samples at 500 Hz. Release with rd_free_reading(). */
static void rd_read(const float *const leads[RD_LEADS], int n, reading *m)
{
    float *a = calloc((size_t)n, sizeof *a);
    memset(m, 0, sizeof *m);
    m->n = n;
    for (int l = 0; l < RD_LEADS; l++) {
        m->x[l] = malloc((size_t)n * sizeof(float));
        memcpy(m->x[l], leads[l], (size_t)n * sizeof(float));
    }
    rd_take_spikes(m);
    rd_activity(m, a);
    rd_find_beats(m, a);
    rd_intervals(m);
    rd_sort_beats(m);
    rd_average(m);
    rd_read_p(m);
    rd_read_qrs(m);
    rd_read_t(m);
    rd_atrial(m);
    rd_flutter(m);
    free(a);
}

static void rd_free_reading(reading *m)
{
    for (int l = 0; l < RD_LEADS; l++) free(m->x[l]);
}

#endif
