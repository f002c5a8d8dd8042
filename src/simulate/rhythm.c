/**
 * When the atria and the ventricles beat. A plan says what a record is meant to show; a schedule is one drawing of it;
 * schedule_shows() reads the drawing back, so that chance never makes a finding that is not labelled, or hides one.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "simulate/heart.h"

static int sinus_family(rhythm k) { return k == R_SINUS || k == R_BRADY || k == R_TACHY || k == R_ARRHYTHMIA; }

static rhythm draw_rhythm(const patient *pt, shn_rng *r)
{
    /* in the order of enum rhythm; a pathway shows in sinus rhythm only, and tachycardias here are narrow */
    static const double all[]    = { 40, 8, 8, 8, 9, 7, 6, 6, 4, 4, 6 };
    static const double wide[]   = { 40, 8, 8, 8, 9, 7, 0, 6, 4, 4, 4 };
    static const double pathway[] = { 50, 10, 0, 10, 0, 0, 0, 0, 0, 0, 0 };
    const int is_wide = pt->conduction == C_CRBBB || pt->conduction == C_CLBBB || pt->conduction == C_IVCD;
    return (rhythm)choose(r, pt->conduction == C_WPW ? pathway : is_wide ? wide : all, 11);
}

static double draw_rate(const plan *pl, shn_rng *r)
{
    switch (pl->rhythm) {
    case R_BRADY:      return between(r, 40, 56);
    case R_TACHY:      return between(r, 105, 132);
    case R_ARRHYTHMIA: return between(r, 64, 84);
    case R_AFIB:       return between(r, 62, 122);
    case R_FLUTTER:    return between(r, 252, 324);         /* of the atria; the ventricles take their share */
    case R_SVT:        return between(r, 152, 200);
    case R_PACED:      return between(r, 62, 80);
    case R_MOBITZ1: case R_MOBITZ2: return between(r, 72, 92);
    case R_AVB3:       return between(r, 32, 45);           /* of the escape */
    case R_SINUS: default: break;
    }
    return pl->ectopy != E_NONE ? between(r, 66, 90) : pl->long_pr ? between(r, 63, 82) : between(r, 63, 96);
}

static void draw_intervals(const patient *pt, shn_rng *r, plan *out)
{
    const double ventricles = out->rhythm == R_FLUTTER ? out->rate_bpm / 3 : out->rate_bpm, rr = 60 / ventricles;
    const double qtc = out->repolarisation == T_LONGQT ? between(r, 0.490, 0.560) : pt->qtc_s * around(r, 0.008);
    out->qt_s = qtc * sqrt(rr);
    out->pr_s = out->long_pr ? fmax(0.222, fmin(between(r, 0.225, 0.310), rr - out->qt_s - 0.08)) : pt->pr_s;
    if (out->rhythm == R_TACHY) out->pr_s = fmin(out->pr_s, fmax(between(r, 0.124, 0.140), pt->large_left_atrium ? pt->p.length_s + 0.022 : 0));
    out->resp_hz    = between(r, 0.18, out->rhythm == R_ARRHYTHMIA ? 0.25 : 0.30);
    out->resp_phase = between(r, 0, 2 * M_PI);
    out->resp_gain  = between(r, 0.02, 0.07);
    out->resp_turn  = between(r, 0.5, 2.5) * M_PI / 180;
}

void plan_draw(const patient *pt, shn_rng *r, plan *out)
{
    /* in the order of enum ectopy and enum repolarisation */
    static const double ectopy_weight[] = { 36, 20, 16, 14, 14 };
    static const double st_t_weight[]   = { 36, 26, 8, 7, 7, 9, 20, 15, 9 };
    memset(out, 0, sizeof *out);
    const int narrow = pt->conduction == C_NONE || pt->conduction == C_LAFB || pt->conduction == C_IRBBB;
    if (!pt->healthy) {
        out->rhythm = draw_rhythm(pt, r);
        if (out->rhythm == R_SINUS && pt->conduction != C_WPW) out->ectopy = (ectopy)choose(r, ectopy_weight, 5);
        if (sinus_family(out->rhythm) && out->rhythm != R_TACHY && out->ectopy == E_NONE && pt->conduction != C_WPW)
            out->long_pr = shn_rng_uniform(r) < 0.27;
        if (narrow && out->rhythm != R_PACED && out->rhythm != R_FLUTTER && out->rhythm != R_SVT && out->rhythm != R_AVB3)
            out->repolarisation = (repolarisation)choose(r, st_t_weight, 9);
        if (out->repolarisation != T_LONGQT && pt->structure == S_LOWV) out->repolarisation = T_NONE;
        if (out->repolarisation == T_LONGQT && (out->ectopy != E_NONE || (out->rhythm != R_SINUS && out->rhythm != R_BRADY)))
            out->repolarisation = T_NONE;
    }
    out->rate_bpm = draw_rate(out, r);
    draw_intervals(pt, r, out);
    out->other = pt->ectopic;
    beat_discordant(&out->other, fmax(out->qt_s, out->other.qrs_s + 0.22), 0.20);
    if (out->rhythm == R_PACED) {
        beat_paced(r, &out->other);
        beat_discordant(&out->other, out->qt_s + 0.02, 0.18);
    }
}

static int add_p(schedule *s, double at, double scale, int ectopic)
{
    if (shn_grow(&s->p, &s->p_room, s->n_p + 1, sizeof *s->p) != 0) return -1;
    s->p[s->n_p++] = (p_event){ at, scale, ectopic };
    return 0;
}

static int add_v(schedule *s, double at, int which)
{
    if (shn_grow(&s->v, &s->v_room, s->n_v + 1, sizeof *s->v) != 0) return -1;
    s->v[s->n_v++] = (v_event){ at, which };
    return 0;
}

/** Normal beats between two premature ones. */
static int gap(const plan *pl, shn_rng *r)
{
    if (pl->ectopy == E_BIGEMINY) return 1;
    if (pl->ectopy == E_TRIGEMINY) return 2;
    return 3 + (int)shn_rng_below(r, 3);
}

static int sinus(const plan *pl, shn_rng *r, double end, schedule *s)
{
    const double rr = 60 / pl->rate_bpm, jitter = pl->rhythm == R_ARRHYTHMIA ? 0.01 : 0.004;
    const double depth = pl->rhythm == R_ARRHYTHMIA ? between(r, 0.13, 0.17) : pl->rhythm == R_BRADY ? between(r, 0.005, 0.015) : between(r, 0.006, 0.022);
    const double coupling = between(r, 0.56, 0.68), pause = between(r, 1.02, 1.12);
    double       t = -1.5 - rr * shn_rng_uniform(r);
    int          left = (int)shn_rng_below(r, 3) + 1;
    if (pl->ectopy == E_BIGEMINY || pl->ectopy == E_TRIGEMINY) left = gap(pl, r);
    while (t < end) {
        const double now = rr * (1 + depth * sin(2 * M_PI * pl->resp_hz * t + pl->resp_phase) + jitter * shn_rng_normal(r));
        if (add_p(s, t - pl->pr_s, 1, 0) != 0 || add_v(s, t, BEAT_MAIN) != 0) return -1;
        if (pl->ectopy == E_NONE || --left > 0) {
            t += now;
            continue;
        }
        left = gap(pl, r);
        const double early = t + now * (coupling + 0.02 * shn_rng_normal(r));
        if (pl->ectopy == E_PAC) {          /* resets the node: the pause is hardly longer than a cycle */
            if (add_p(s, early - 1.05 * pl->pr_s, 0.8, 1) != 0 || add_v(s, early, BEAT_MAIN) != 0) return -1;
            t = early + now * pause;
        } else {                            /* the node goes on unseen: full compensatory pause */
            if (add_v(s, early, BEAT_OTHER) != 0) return -1;
            t += 2 * now;
        }
    }
    return 0;
}

/** Without P waves: fibrillation, flutter, supraventricular tachycardia, ventricular pacing. */
static int without_p(const plan *pl, shn_rng *r, double end, schedule *s)
{
    const double rr = 60 / pl->rate_bpm, spread = between(r, 0.19, 0.27);
    const int    share = 2 + (int)shn_rng_below(r, 3), mixed = shn_rng_uniform(r) < 0.3;
    double       t = -1.5 - rr * shn_rng_uniform(r);
    s->pr_s = NAN;
    if (pl->rhythm == R_FLUTTER) s->flutter_hz = pl->rate_bpm / 60;
    if (pl->rhythm == R_AFIB) s->f_wave_mv = between(r, 0.030, 0.085);
    s->spikes = pl->rhythm == R_PACED;
    while (t < end) {
        if (add_v(s, t, pl->rhythm == R_PACED ? BEAT_OTHER : BEAT_MAIN) != 0) return -1;
        switch (pl->rhythm) {
        case R_AFIB:    t += fmax(pl->qt_s + 0.03, rr * fmin(fmax(exp(spread * shn_rng_normal(r)), 0.6), 1.7)); break;
        case R_FLUTTER: t += rr * (mixed ? 2 + (int)shn_rng_below(r, 3) : share) + 0.004 * shn_rng_normal(r); break;
        case R_SVT:     t += rr * (1 + 0.004 * shn_rng_normal(r)); break;
        default:        t += rr * (1 + 0.001 * shn_rng_normal(r)); break;
        }
    }
    return 0;
}

/** Second degree: after a few conducted P waves one is not, with PR growing before it (Mobitz I) or not (II). */
static int mobitz(const plan *pl, shn_rng *r, double end, schedule *s)
{
    const double pp = 60 / pl->rate_bpm, first_step = between(r, 0.065, 0.095), step = between(r, 0.025, 0.04);
    double       t = -3 - pp * shn_rng_uniform(r), sum = 0;
    int          conducted = 0, last = 2 + (int)shn_rng_below(r, 3);
    size_t       n = 0;
    while (t < end) {
        if (add_p(s, t, 1, 0) != 0) return -1;
        if (conducted < last) {
            const double later = pl->rhythm == R_MOBITZ2 || conducted == 0 ? 0 : first_step + (conducted - 1) * step;
            if (add_v(s, t + pl->pr_s + later, BEAT_MAIN) != 0) return -1;
            sum += pl->pr_s + later;
            n++;
            conducted++;
        } else {
            conducted = 0;
            last = 2 + (int)shn_rng_below(r, 3);
        }
        t += pp * (1 + 0.006 * shn_rng_normal(r));
    }
    s->pr_s = sum / (double)n;
    return 0;
}

/** Third degree: two clocks that do not know of each other. The escape is narrow (junction) or wide (ventricle). */
static int dissociated(const plan *pl, shn_rng *r, double end, schedule *s)
{
    const double pp = 60 / between(r, 74, 100), rr = 60 / pl->rate_bpm;
    const int    kind = shn_rng_uniform(r) < 0.5 ? BEAT_MAIN : BEAT_OTHER;
    s->pr_s = NAN;
    for (double t = -1.5 - pp * shn_rng_uniform(r); t < end; t += pp * (1 + 0.01 * shn_rng_normal(r)))
        if (add_p(s, t, 1, 0) != 0) return -1;
    for (double t = -1.5 - rr * shn_rng_uniform(r); t < end; t += rr * (1 + 0.005 * shn_rng_normal(r)))
        if (add_v(s, t, kind) != 0) return -1;
    return 0;
}

int schedule_make(const plan *pl, shn_rng *r, double seconds, schedule *out)
{
    const double end = seconds + 1;
    memset(out, 0, sizeof *out);
    out->pr_s = pl->pr_s;
    switch (pl->rhythm) {
    case R_MOBITZ1: case R_MOBITZ2: return mobitz(pl, r, end, out);
    case R_AVB3: return dissociated(pl, r, end, out);
    case R_AFIB: case R_FLUTTER: case R_SVT: case R_PACED: return without_p(pl, r, end, out);
    case R_SINUS: case R_BRADY: case R_TACHY: case R_ARRHYTHMIA: break;
    }
    return sinus(pl, r, end, out);
}

void schedule_free(schedule *s)
{
    free(s->p);
    free(s->v);
    memset(s, 0, sizeof *s);
}

double schedule_rate(const schedule *s, double seconds)
{
    double first = NAN, last = NAN;
    int    n = 0;
    for (size_t i = 0; i < s->n_v; i++)
        if (s->v[i].at >= 0 && s->v[i].at < seconds) {
            if (n++ == 0) first = s->v[i].at;
            last = s->v[i].at;
        }
    return n > 1 ? 60 * (n - 1) / (last - first) : NAN;
}

/** Mean, relative spread and range of the RR intervals inside the record. */
static void rr_spread(const schedule *s, double seconds, double *cv, double *range)
{
    double sum = 0, square = 0, low = INFINITY, high = 0;
    int    n = 0;
    for (size_t i = 0; i + 1 < s->n_v; i++) {
        const double rr = s->v[i + 1].at - s->v[i].at;
        if (s->v[i].at < 0 || s->v[i + 1].at >= seconds) continue;
        sum += rr;
        square += rr * rr;
        low = fmin(low, rr);
        high = fmax(high, rr);
        n++;
    }
    const double mean = sum / n;
    *cv = n > 1 ? sqrt(fmax(0, square / n - mean * mean)) / mean : 0;
    *range = n > 0 ? high - low : 0;
}

static int count_premature(const plan *pl, const schedule *s, double seconds)
{
    int n = 0;
    if (pl->ectopy == E_PAC) {
        for (size_t i = 0; i < s->n_p; i++) n += s->p[i].ectopic && s->p[i].at > 0.9 && s->p[i].at < seconds - 0.9;
    } else {
        for (size_t i = 0; i < s->n_v; i++) n += s->v[i].beat == BEAT_OTHER && s->v[i].at > 0.9 && s->v[i].at < seconds - 0.7;
    }
    return n;
}

/** P waves that nothing follows, inside the record with the beats around them. */
static int count_dropped(const schedule *s, double seconds)
{
    int n = 0;
    for (size_t i = 0; i + 1 < s->n_p; i++) {
        int followed = 0;
        for (size_t k = 0; k < s->n_v; k++) followed |= s->v[k].at > s->p[i].at && s->v[k].at < s->p[i + 1].at + 0.03;
        n += !followed && s->p[i].at > 0.9 && s->p[i].at < seconds - 0.9;
    }
    return n;
}

/** 0: the QRS come anywhere between two P waves; 1: always at the same place, as if conducted. */
static double p_locked(const schedule *s, double seconds)
{
    double x = 0, y = 0;
    int    n = 0;
    for (size_t k = 0; k < s->n_v; k++)
        for (size_t i = 0; i + 1 < s->n_p && s->v[k].at > 0 && s->v[k].at < seconds; i++)
            if (s->p[i].at <= s->v[k].at && s->v[k].at < s->p[i + 1].at) {
                const double turn = 2 * M_PI * (s->v[k].at - s->p[i].at) / (s->p[i + 1].at - s->p[i].at);
                x += cos(turn);
                y += sin(turn);
                n++;
            }
    return n > 0 ? hypot(x, y) / n : 1;
}

int schedule_shows(const plan *pl, const schedule *s, double seconds)
{
    const int    wanted = seconds >= 8 ? 2 : 1;
    const double rate = schedule_rate(s, seconds);
    double       cv, range;
    rr_spread(s, seconds, &cv, &range);
    if (pl->ectopy == E_BIGEMINY || pl->ectopy == E_TRIGEMINY) return count_premature(pl, s, seconds) >= wanted && rate > 61 && rate < 99;
    if (pl->ectopy != E_NONE) return count_premature(pl, s, seconds) >= wanted && rate > 62 && rate < 98;
    switch (pl->rhythm) {
    case R_SINUS: return range <= 0.09 && rate > 62 && rate < 98;
    case R_BRADY: return range <= 0.09 && rate < 58;
    case R_TACHY: return range <= 0.09 && rate > 103;
    case R_ARRHYTHMIA: return range >= 0.17 && rate > 61 && rate < 95;
    case R_AFIB: return cv >= 0.15;
    case R_MOBITZ1: case R_MOBITZ2: return count_dropped(s, seconds) >= wanted;
    case R_AVB3: return p_locked(s, seconds) < 0.6;
    default: return 1;
    }
}
