#include "formats/adu.h"

#include <stdio.h>

#include "base/fail.h"
#include "shinden/signal.h"

enum { DEFAULT_GAIN = 1000 };           /* steps per mV of samples that were no integers: 1 uV */

/** Integers that occur at this gain and baseline. */
static void take_range(const float *x, size_t n, adu_fit *f)
{
    f->least = INFINITY;
    f->most = -INFINITY;
    f->n_gaps = 0;
    for (size_t t = 0; t < n; t++) {
        if (!isfinite(x[t])) {
            f->n_gaps++;                /* neither NaN nor Inf was measured */
            continue;
        }
        const double v = nearbyint((double)x[t] * f->gain + f->baseline);
        if (v < f->least) f->least = v;
        if (v > f->most) f->most = v;
    }
}

/** Brings integers that do not fit between low and high; the smallest change that loses least comes first. */
static void make_fit(const float *x, size_t n, int calibrated, adu_fit *f)
{
    if (f->least > f->most || (f->least >= f->low && f->most <= f->high)) return;
    if (calibrated && f->least >= f->low - 1 && f->most <= f->high) return;     /* -32768 in WFDB: one step at the rail, and all others stay */
    if (f->most - f->least <= f->high - f->low) {
        f->baseline += f->least < f->low ? f->low - f->least : f->high - f->most;
        take_range(x, n, f);
        return;
    }
    if (!calibrated) return;            /* microvolts: values saturate */
    while (f->most - f->least > f->high - f->low) {
        f->gain /= 2;
        f->baseline /= 2;
        take_range(x, n, f);
    }
    f->baseline += nearbyint((f->low + f->high - f->least - f->most) / 2);
    take_range(x, n, f);
}

void adu_fit_lead(const shn_record *rec, size_t lead, double low, double high, adu_fit *f)
{
    const float       *x = shn_record_lead(rec, lead);
    const size_t       n = shn_record_n_samples(rec);
    const shn_lead_cal c = shn_record_calibration(rec, lead);
    const int          calibrated = c.gain_adu_per_mv != 0 && isfinite(c.gain_adu_per_mv) && isfinite(c.baseline_adu);
    *f = (adu_fit){ .gain = calibrated ? c.gain_adu_per_mv : DEFAULT_GAIN, .baseline = calibrated ? c.baseline_adu : 0, .low = low, .high = high };
    take_range(x, n, f);
    const shn_unit_origin unit = shn_record_unit(rec, lead);
    const int no_voltage = unit == SHN_UNIT_NOT_VOLTAGE || (unit == SHN_UNIT_UNKNOWN && shn_lead_index(shn_record_name(rec, lead)) < 0);
    if (!calibrated && no_voltage)
        while (f->least <= f->most && fmax(fabs(f->least), fabs(f->most)) > high && f->gain > 1e-6) {    /* degrees or mmHg: no scale is the right one */
            f->gain /= 10;
            take_range(x, n, f);
        }
    make_fit(x, n, calibrated, f);
    for (size_t t = 0; t < n; t++) {
        if (!isfinite(x[t])) continue;
        const double v = (double)x[t] * f->gain + f->baseline, nearest = nearbyint(v);
        if (nearest < low || nearest > high) f->n_clipped++;
        else if (fabs(v - nearest) > 0.01 + fabs(v - f->baseline) * 0x1p-23) f->n_rounded++;     /* beyond what a float's 24 bits explain */
    }
}

shn_status adu_fit_all(const shn_record *rec, double low, double high, adu_fit *fits, shn_convert_report *report, shn_error *err)
{
    for (size_t i = 0; i < shn_record_n_leads(rec); i++) {
        if (shn_record_unit(rec, i) == SHN_UNIT_UNKNOWN && shn_lead_index(shn_record_name(rec, i)) >= 0)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_UNIT, "convert", "lead '%s' has no unit, and the format needs one; say what one step is with --assume-unit, "
                            "or write CSV, which can say that it is unknown", shn_record_name(rec, i));
        adu_fit_lead(rec, i, low, high, &fits[i]);
        report->n_gaps += fits[i].n_gaps;
        report->n_rounded += fits[i].n_rounded;
        report->n_clipped += fits[i].n_clipped;
    }
    return SHN_OK;
}

void adu_line(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (; text[n] && n + 1 < size; n++) out[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7f ? ' ' : text[n];
    out[n] = '\0';
}

size_t shn_record_assume_unit(shn_record *rec, double mv_per_unit)
{
    size_t n = 0;
    for (size_t i = 0; i < shn_record_n_leads(rec); i++) {
        if (shn_record_unit(rec, i) != SHN_UNIT_UNKNOWN) continue;
        float       *x = shn_record_lead_mut(rec, i);
        shn_lead_cal c = shn_record_calibration(rec, i);
        for (size_t t = 0; t < shn_record_n_samples(rec); t++) x[t] = (float)((double)x[t] * mv_per_unit);
        c.gain_adu_per_mv /= mv_per_unit;
        shn_record_set_calibration(rec, i, c);
        shn_record_set_unit(rec, i, SHN_UNIT_ASSUMED);
        n++;
    }
    if (n) shn_record_add_note(rec, SHN_REASON_NO_UNIT, "no unit in the file: %g mV per step assumed as told", mv_per_unit);
    return n;
}
