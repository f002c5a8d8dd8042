/** The canonical record: twelve leads in order, in mV, proven where they can be; everything done or doubted is a note. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "shinden/signal.h"
#include "signal/filter.h"
#include "signal/integrity.h"

enum { I = 0, II, III, AVR, AVL, AVF, LIMB_LEADS };

void shn_signal_defaults(shn_signal_options *options) { *options = (shn_signal_options){ .min_seconds = 5 }; }

/** Index in rec of each canonical lead, -1 where missing. */
static shn_status pick_leads(const shn_record *rec, int at[SHN_LEADS], shn_error *err)
{
    int n_found = 0;
    for (size_t l = 0; l < SHN_LEADS; l++) at[l] = -1;
    for (size_t i = 0; i < shn_record_n_leads(rec); i++) {
        const int l = shn_lead_index(shn_record_name(rec, i));
        if (l < 0) continue;
        if (at[l] >= 0)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_DUPLICATE_LEAD, "signal.leads", "two leads are %s: '%s' and '%s'; rename one",
                            shn_lead_name((size_t)l), shn_record_name(rec, (size_t)at[l]), shn_record_name(rec, i));
        at[l] = (int)i;
        n_found++;
    }
    if (n_found == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "signal.leads", "none of the %zu leads ('%s' ...) is a standard ECG lead",
                        shn_record_n_leads(rec), shn_record_name(rec, 0));
    return SHN_OK;
}

/** The factor to mV of one stored lead. */
static shn_status unit_factor(const shn_record *rec, size_t lead, const shn_signal_options *o, shn_record *out, double *factor, shn_error *err)
{
    *factor = 1;
    switch (shn_record_unit(rec, lead)) {
    case SHN_UNIT_NOT_VOLTAGE:
        return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_UNIT, "signal.units", "lead '%s' is not a voltage", shn_record_name(rec, lead));
    case SHN_UNIT_UNKNOWN:
        if (!(o->assume_mv_per_unit > 0))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_UNIT, "signal.units",
                            "lead '%s' has no unit; say what one step is with --assume-unit", shn_record_name(rec, lead));
        *factor = o->assume_mv_per_unit;
        if (!shn_record_has_note(out, SHN_REASON_NO_UNIT))
            shn_record_add_note(out, SHN_REASON_NO_UNIT, "no unit in the file: %g mV per step assumed as told", *factor);
        return SHN_OK;
    default:
        return SHN_OK;
    }
}

/** NaN and Inf both become gaps. Returns bit 0: there were NaN, bit 1: there were Inf. */
static int copy_samples(const float *from, size_t n, double factor, float *to)
{
    int seen = 0;
    for (size_t t = 0; t < n; t++) {
        seen |= isnan(from[t]) ? 1 : isinf(from[t]) ? 2 : 0;
        to[t] = isfinite(from[t]) ? (float)(from[t] * factor) : NAN;
    }
    return seen;
}

static const double limb_law[LIMB_LEADS][2] = { { 1, 0 }, { 0, 1 }, { -1, 1 }, { -0.5, -0.5 }, { 1, -0.5 }, { -0.5, 1 } };  /* of I, II */

/** Writes limb lead `wanted` from two others that are there. */
static void derive(shn_record *rec, int wanted, int a, int b)
{
    const double det = limb_law[a][0] * limb_law[b][1] - limb_law[a][1] * limb_law[b][0];
    const double ca = (limb_law[wanted][0] * limb_law[b][1] - limb_law[wanted][1] * limb_law[b][0]) / det;
    const double cb = (limb_law[wanted][1] * limb_law[a][0] - limb_law[wanted][0] * limb_law[a][1]) / det;
    const float *x = shn_record_lead(rec, (size_t)a), *y = shn_record_lead(rec, (size_t)b);
    float       *out = shn_record_lead_mut(rec, (size_t)wanted);
    for (size_t t = 0; t < shn_record_n_samples(rec); t++) out[t] = (float)(ca * x[t] + cb * y[t]);
}

/** Derives missing limb leads from any two others; I and II are preferred as sources. present[l] becomes 1 for what was made. */
static void derive_limb_leads(shn_record *rec, int present[SHN_LEADS])
{
    int source[2], n = 0;
    for (int l = 0; l < LIMB_LEADS && n < 2; l++)
        if (present[l]) source[n++] = l;
    if (n < 2) return;
    for (int l = 0; l < LIMB_LEADS; l++) {
        if (present[l]) continue;
        derive(rec, l, source[0], source[1]);
        present[l] = 1;
        shn_record_add_note(rec, SHN_REASON_LEAD_DERIVED, "lead %s derived from %s and %s", shn_lead_name((size_t)l),
                            shn_lead_name((size_t)source[0]), shn_lead_name((size_t)source[1]));
    }
}

static void swap_leads(shn_record *rec, size_t a, size_t b)
{
    float *x = shn_record_lead_mut(rec, a), *y = shn_record_lead_mut(rec, b);
    for (size_t t = 0; t < shn_record_n_samples(rec); t++) {
        const float s = x[t];
        x[t] = y[t];
        y[t] = s;
    }
}

static void fill_gap(shn_record *rec, size_t lead)
{
    float *x = shn_record_lead_mut(rec, lead);
    for (size_t t = 0; t < shn_record_n_samples(rec); t++) x[t] = NAN;
}

/** Copies rec's twelve leads into a new record at the recorded rate; missing ones are gaps. */
static shn_status gather(const shn_record *rec, const shn_signal_options *o, int present[SHN_LEADS], shn_record **out, shn_error *err)
{
    int         at[SHN_LEADS], seen = 0;
    shn_record *made = NULL;
    const size_t n = shn_record_n_samples(rec);
    shn_status st = pick_leads(rec, at, err);
    if (st == SHN_OK) st = shn_record_new(SHN_LEADS, n, shn_record_fs_hz(rec), &made, err);
    if (st != SHN_OK) return st;
    *shn_record_meta_mut(made) = *shn_record_meta_of(rec);
    for (size_t i = 0; i < shn_record_n_notes(rec); i++)
        shn_record_add_note(made, shn_record_note(rec, i)->reason, "%s", shn_record_note(rec, i)->text);
    for (size_t l = 0; l < SHN_LEADS; l++) {
        double factor;
        present[l] = at[l] >= 0;
        shn_record_set_name(made, l, shn_lead_name(l));
        shn_record_set_unit(made, l, at[l] < 0 ? SHN_UNIT_DECLARED : shn_record_unit(rec, (size_t)at[l]));
        if (at[l] < 0) {
            fill_gap(made, l);
            continue;
        }
        st = unit_factor(rec, (size_t)at[l], o, made, &factor, err);
        if (st != SHN_OK) {
            shn_record_free(made);
            return st;
        }
        seen |= copy_samples(shn_record_lead(rec, (size_t)at[l]), n, factor, shn_record_lead_mut(made, l));
    }
    if (seen == 3) shn_record_add_note(made, SHN_REASON_NAN_AND_INF, "NaN and Inf among the samples; both are gaps now");
    *out = made;
    return SHN_OK;
}

static shn_status mend_leads(shn_record *rec, const shn_signal_options *o, int present[SHN_LEADS], shn_error *err)
{
    const float *limb[LIMB_LEADS];
    for (size_t l = 0; l < LIMB_LEADS; l++) limb[l] = present[l] ? shn_record_lead(rec, l) : NULL;
    if (shn_integrity_swapped(limb, shn_record_n_samples(rec))) {
        swap_leads(rec, AVL, AVF);
        shn_record_add_note(rec, SHN_REASON_LEADS_SWAPPED, "aVL and aVF were stored under each other's names; swapped back");
    }
    derive_limb_leads(rec, present);
    for (size_t l = 0; l < SHN_LEADS; l++) {
        if (present[l]) continue;
        if (!o->allow_missing_leads)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_MISSING_LEAD, "signal.leads",
                            "lead %s is missing and cannot be derived; --allow-missing-leads takes it as zeros", shn_lead_name(l));
        shn_record_add_note(rec, SHN_REASON_MISSING_LEAD, "lead %s is missing", shn_lead_name(l));
    }
    return SHN_OK;
}

/** Sampling frequencies as a ratio of whole numbers; rates are taken to 1/1000 Hz. */
static shn_status resample_to(shn_record **rec, const shn_signal_options *o, shn_error *err)
{
    const double from = shn_record_fs_hz(*rec);
    if (!(o->fs_hz > 0) || fabs(o->fs_hz - from) < 1e-9 * from) return SHN_OK;
    if (o->fs_hz > from && !o->allow_upsampling)
        return shn_fail(err, SHN_RANGE, SHN_REASON_UPSAMPLING, "signal.resample",
                        "%g Hz would be upsampled to %g Hz; allow it with --allow-upsampling", from, o->fs_hz);
    unsigned up = (unsigned)lround(o->fs_hz * 1000), down = (unsigned)lround(from * 1000), a = up, b = down;
    while (b) {
        const unsigned t = a % b;
        a = b;
        b = t;
    }
    up /= a;
    down /= a;
    const size_t n = shn_record_n_samples(*rec), n_out = shn_resample_length(n, up, down);
    shn_record  *out;
    shn_status   st = shn_record_new(SHN_LEADS, n_out, o->fs_hz, &out, err);
    if (st != SHN_OK) return st;
    *shn_record_meta_mut(out) = *shn_record_meta_of(*rec);
    for (size_t i = 0; i < shn_record_n_notes(*rec); i++)
        shn_record_add_note(out, shn_record_note(*rec, i)->reason, "%s", shn_record_note(*rec, i)->text);
    for (size_t l = 0; l < SHN_LEADS && st == SHN_OK; l++) {
        shn_record_set_name(out, l, shn_record_name(*rec, l));
        shn_record_set_unit(out, l, shn_record_unit(*rec, l));
        st = shn_resample(shn_record_lead(*rec, l), n, up, down, shn_record_lead_mut(out, l), n_out, err);
    }
    if (st != SHN_OK) {
        shn_record_free(out);
        return st;
    }
    if (o->fs_hz > from) shn_record_add_note(out, SHN_REASON_UPSAMPLING, "upsampled from %g to %g Hz", from, o->fs_hz);
    shn_record_free(*rec);
    *rec = out;
    return SHN_OK;
}

static shn_status filter_leads(shn_record *rec, const shn_signal_options *o, shn_error *err)
{
    const size_t n = shn_record_n_samples(rec);
    const double fs = shn_record_fs_hz(rec);
    shn_status   st = SHN_OK;
    for (size_t l = 0; l < SHN_LEADS && st == SHN_OK; l++) {
        float *x = shn_record_lead_mut(rec, l);
        if (o->remove_baseline) st = shn_filter_baseline(x, n, fs, err);
        if (st == SHN_OK && o->highpass_hz > 0) st = shn_filter_highpass(x, n, fs, o->highpass_hz, err);
        if (st == SHN_OK && o->lowpass_hz > 0) st = shn_filter_lowpass(x, n, fs, o->lowpass_hz, err);
    }
    return st;
}

/** What the recorded signal (before resampling and filters) gives reason to doubt. */
static void note_doubts(shn_record *rec, const int present[SHN_LEADS])
{
    enum { PEAK_MV_MAX = 20 };
    const size_t  n = shn_record_n_samples(rec);
    shn_integrity check;
    shn_integrity_examine(rec, NULL, &check);
    if (check.order_proven < 0)
        shn_record_add_note(rec, SHN_REASON_LEAD_ORDER, "limb leads contradict each other (up to %.0f uV): names or order may be wrong",
                            fmax(isnan(check.einthoven_uv_max) ? 0 : check.einthoven_uv_max, isnan(check.goldberger_uv_max) ? 0 : check.goldberger_uv_max));
    if (check.limb_leads_reversed)
        shn_record_add_note(rec, SHN_REASON_LIMB_REVERSED, "arm electrodes may have been exchanged (lead I against V6)");
    if (check.suspect_microvolt)
        shn_record_add_note(rec, SHN_REASON_UNIT_SUSPECT, "amplitudes look like microvolts that are called millivolts");
    for (size_t l = 0; l < SHN_LEADS; l++) {
        if (!present[l]) continue;
        const char *name = shn_lead_name(l);
        if (check.lead[l].n_gaps == n) shn_record_add_note(rec, SHN_REASON_GAPS, "lead %s: nothing recorded", name);
        else if (check.lead[l].flat) shn_record_add_note(rec, SHN_REASON_FLAT_LEAD, "lead %s is flat", name);
        if (check.lead[l].n_gaps && check.lead[l].n_gaps < n)
            shn_record_add_note(rec, SHN_REASON_GAPS, "lead %s: %u of %zu samples missing", name, check.lead[l].n_gaps, n);
        if (check.lead[l].n_clipped > n / 100)
            shn_record_add_note(rec, SHN_REASON_CLIPPED, "lead %s: %u samples at the limit of the recorder", name, check.lead[l].n_clipped);
        if (!check.suspect_microvolt && (check.lead[l].max_mv > PEAK_MV_MAX || check.lead[l].min_mv < -PEAK_MV_MAX))
            shn_record_add_note(rec, SHN_REASON_AMPLITUDE, "lead %s reaches %.1f mV", name, fmax(check.lead[l].max_mv, -check.lead[l].min_mv));
    }
}

shn_status shn_record_canonical(const shn_record *rec, const shn_signal_options *options, shn_record **out, shn_error *err)
{
    int         present[SHN_LEADS];
    shn_record *made = NULL;
    const double seconds = (double)shn_record_n_samples(rec) / shn_record_fs_hz(rec);

    *out = NULL;
    if (seconds < options->min_seconds)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TOO_SHORT, "signal", "%.2f s long, needs at least %g s", seconds, options->min_seconds);
    shn_status st = gather(rec, options, present, &made, err);
    if (st != SHN_OK) return st;
    st = mend_leads(made, options, present, err);
    if (st == SHN_OK) {
        note_doubts(made, present);
        st = resample_to(&made, options, err);
    }
    if (st == SHN_OK) st = filter_leads(made, options, err);
    if (st != SHN_OK) {
        shn_record_free(made);
        return st;
    }
    *out = made;
    return SHN_OK;
}
