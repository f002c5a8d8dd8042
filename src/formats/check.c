/**
 * A record's check: readers' notes and the doubts of the signal path, gathered over the parts of the recording. The doubts come from
 * shn_record_canonical, the same code that import and predict run, so that what `check` says is what they will say.
 */
#include "shinden/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/signal.h"

typedef struct work {
    shn_check *out;
    size_t     reasons_capacity;
    double     assume;
    int       *stored;                          /* [leads of the file] index in out->leads, -1 left out */
    size_t     n_stored;
    float    (*noise)[SHN_LEADS];               /* [part] */
    size_t     n_parts, parts_capacity;
} work;

const char *shn_check_status_name(shn_check_status status)
{
    static const char *const names[] = { "ok", "warn", "refused" };
    return names[status];
}

static void raise_status(shn_check *c, shn_check_status status)
{
    if (status > c->status) c->status = status;
}

/** Adds a reason. In later parts of a recording each code is told once, with the time where it was first seen. */
static shn_status add_reason(work *w, shn_reason reason, const char *text, double at_s, shn_error *err)
{
    shn_check *c = w->out;
    for (size_t i = 0; i < c->n_reasons; i++)
        if (c->reasons[i].reason == reason && (at_s > 0 || strcmp(c->reasons[i].text, text) == 0)) return SHN_OK;
    if (shn_grow(&c->reasons, &w->reasons_capacity, c->n_reasons + 1, sizeof *c->reasons) != 0) return shn_fail_nomem(err, "check");
    shn_check_reason *r = &c->reasons[c->n_reasons++];
    r->reason = reason;
    if (at_s > 0) snprintf(r->text, sizeof r->text, "from %.0f s: %s", at_s, text);
    else snprintf(r->text, sizeof r->text, "%s", text);
    return SHN_OK;
}

/** What was read becomes one line of the leads; the first part decides which leads there are. */
static shn_status begin(work *w, const shn_record *rec, shn_error *err)
{
    shn_check   *c = w->out;
    const size_t n = shn_record_n_leads(rec);
    c->fs_hz = shn_record_fs_hz(rec);
    c->meta = *shn_record_meta_of(rec);
    c->n_samples = c->meta.total_samples ? c->meta.total_samples : shn_record_n_samples(rec);
    c->n_statements = shn_record_n_statements(rec);
    c->n_measurements = shn_record_n_measurements(rec);
    snprintf(c->variant, sizeof c->variant, "%s", c->meta.format);
    c->leads = shn_alloc(n, sizeof *c->leads);
    w->stored = shn_alloc(n, sizeof *w->stored);
    w->n_stored = n;
    if (!c->leads || !w->stored) return shn_fail_nomem(err, "check");
    for (size_t i = 0; i < n; i++) {
        w->stored[i] = -1;
        if (shn_record_unit(rec, i) == SHN_UNIT_NOT_VOLTAGE) {
            c->n_not_voltage++;
            continue;
        }
        const int known = shn_lead_index(shn_record_name(rec, i));
        shn_check_lead *lead = &c->leads[c->n_leads];
        *lead = (shn_check_lead){ .unit = shn_record_unit(rec, i), .min_mv = NAN, .max_mv = NAN, .noise_uv = NAN,
                                  .gain_adu_per_mv = shn_record_calibration(rec, i).gain_adu_per_mv };
        snprintf(lead->name, sizeof lead->name, "%s", known >= 0 ? shn_lead_name((size_t)known) : shn_record_name(rec, i));
        w->stored[i] = (int)c->n_leads++;
    }
    return SHN_OK;
}

static void take_lead(const float *x, size_t n, double factor, shn_check_lead *lead)
{
    for (size_t t = 0; t < n; t++) {
        const float v = isfinite(x[t]) ? (float)(x[t] * factor) : NAN;
        if (lead->n_first < SHN_CHECK_FIRST) lead->first_mv[lead->n_first++] = v;
        if (isnan(v)) {
            lead->n_missing++;
            continue;
        }
        if (!(v >= lead->min_mv)) lead->min_mv = v;     /* also when it is NaN still */
        if (!(v <= lead->max_mv)) lead->max_mv = v;
    }
}

static float larger(float a, float b) { return isnan(a) || b > a ? b : a; }

/** The doubts of the signal path. A record that it refuses for want of a standard lead is still a record. */
static shn_status take_doubts(work *w, const shn_record *rec, double at_s, shn_error *err)
{
    shn_signal_options o;
    shn_record        *canonical = NULL;
    shn_error          why;
    char               missing[160] = "";
    shn_signal_defaults(&o);
    o.allow_missing_leads = 1;
    o.min_seconds = 0;
    o.assume_mv_per_unit = w->assume;
    shn_status st = shn_record_canonical(rec, &o, &canonical, &why);
    if (st == SHN_NOMEM) return shn_fail_nomem(err, "check");
    if (st != SHN_OK) {
        raise_status(w->out, why.reason == SHN_REASON_NO_UNIT ? SHN_CHECK_REFUSED : SHN_CHECK_WARN);
        return add_reason(w, why.reason, why.text, at_s, err);
    }
    for (size_t i = 0; i < shn_record_n_notes(canonical) && st == SHN_OK; i++) {
        const shn_note *note = shn_record_note(canonical, i);
        if (note->reason == SHN_REASON_LEAD_DERIVED || note->reason == SHN_REASON_NONE) continue;      /* what is derived, or only told, is no doubt */
        raise_status(w->out, SHN_CHECK_WARN);
        if (note->reason == SHN_REASON_MISSING_LEAD) {
            char name[16] = "";
            if (sscanf(note->text, "lead %15s", name) == 1)
                snprintf(missing + strlen(missing), sizeof missing - strlen(missing), "%s%s", *missing ? " " : "no lead ", name);
        } else st = add_reason(w, note->reason, note->text, at_s, err);
    }
    if (*missing && st == SHN_OK) st = add_reason(w, SHN_REASON_MISSING_LEAD, missing, at_s, err);
    shn_record_free(canonical);
    return st;
}

/** What the stored leads prove, before anything is derived or mended. */
static shn_status take_integrity(work *w, const shn_record *rec, shn_error *err)
{
    shn_check    *c = w->out;
    shn_integrity found;
    shn_integrity_check(rec, &found);
    if (shn_grow(&w->noise, &w->parts_capacity, w->n_parts + 1, sizeof *w->noise) != 0) return shn_fail_nomem(err, "check");
    for (size_t l = 0; l < SHN_LEADS; l++) {
        w->noise[w->n_parts][l] = found.lead[l].noise_uv;
        const int at = shn_record_find(rec, shn_lead_name(l));
        if (at >= 0 && w->stored[at] >= 0) c->leads[w->stored[at]].n_clipped += found.lead[l].n_clipped;
    }
    w->n_parts++;
    c->einthoven_uv_max = larger(c->einthoven_uv_max, found.einthoven_uv_max);
    c->goldberger_uv_max = larger(c->goldberger_uv_max, found.goldberger_uv_max);
    if (found.order_proven < 0 || c->order_proven < 0) c->order_proven = -1;
    else if (found.order_proven > 0) c->order_proven = 1;
    return SHN_OK;
}

static shn_status take_part(work *w, const shn_record *rec, size_t first, shn_error *err)
{
    shn_check   *c = w->out;
    const size_t n = shn_record_n_samples(rec);
    for (size_t i = 0; i < w->n_stored && i < shn_record_n_leads(rec); i++)
        if (w->stored[i] >= 0)
            take_lead(shn_record_lead(rec, i), n, shn_record_unit(rec, i) == SHN_UNIT_UNKNOWN && w->assume > 0 ? w->assume : 1, &c->leads[w->stored[i]]);
    shn_status st = take_integrity(w, rec, err);
    return st == SHN_OK ? take_doubts(w, rec, (double)first / c->fs_hz, err) : st;
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/** What only the whole tells: flat leads, noise, and that no voltage was found. */
static shn_status finish(work *w, shn_error *err)
{
    shn_check *c = w->out;
    float     *values = shn_alloc(w->n_parts ? w->n_parts : 1, sizeof *values);
    if (!values) return shn_fail_nomem(err, "check");
    for (size_t i = 0; i < c->n_leads; i++) {
        shn_check_lead *lead = &c->leads[i];
        const int known = shn_lead_index(lead->name);
        size_t    n = 0;
        lead->flat = !(lead->max_mv - lead->min_mv > 1e-3f);
        for (size_t p = 0; known >= 0 && p < w->n_parts; p++)
            if (isfinite(w->noise[p][known])) values[n++] = w->noise[p][known];
        if (n) {
            qsort(values, n, sizeof *values, by_value);
            lead->noise_uv = values[n / 2];
        }
    }
    free(values);
    if (c->n_leads) return SHN_OK;
    c->status = SHN_CHECK_REFUSED;
    c->n_reasons = 0;                           /* that no standard lead is among them follows */
    return add_reason(w, SHN_REASON_NO_ECG, "no signal of this file is a voltage", 0, err);
}

/** A fault of the file is told in the check; only want of memory is an error. */
static shn_status refuse(work *w, const shn_error *why, shn_error *err)
{
    if (why->status == SHN_NOMEM) {
        if (err) *err = *why;
        return SHN_NOMEM;
    }
    w->out->status = SHN_CHECK_REFUSED;
    return add_reason(w, why->reason, why->text, 0, err);
}

static shn_status read_parts(work *w, const char *path, const shn_format_options *given, shn_error *err)
{
    shn_format_options o = *given;
    shn_error          why;
    shn_record        *rec = NULL;
    o.first_sample = 0;
    o.max_samples = 1;                          /* first how long it is and how many leads it has, to choose the size of a part */
    const int short_ok = shn_record_read(path, &o, &rec, &why) == SHN_OK;
    const size_t part = short_ok ? SHN_CHECK_PART_SAMPLES / shn_record_n_leads(rec) : 0;
    const int    whole = short_ok && (shn_record_meta_of(rec)->total_samples == 0 || shn_record_meta_of(rec)->total_samples <= part);
    shn_record_free(rec);
    if (!short_ok) return refuse(w, &why, err);
    o.max_samples = whole ? 0 : part;           /* a whole read also verifies checksums */
    shn_status st = SHN_OK;
    do {
        if (shn_record_read(path, &o, &rec, &why) != SHN_OK) return refuse(w, &why, err);
        const size_t n = shn_record_n_samples(rec);
        if (o.first_sample == 0) st = begin(w, rec, err);
        if (st == SHN_OK) st = take_part(w, rec, o.first_sample, err);
        shn_record_free(rec);
        o.first_sample += n;
    } while (st == SHN_OK && o.first_sample < w->out->n_samples);
    return st == SHN_OK ? finish(w, err) : st;
}

shn_status shn_check_file(const char *path, const shn_format_options *options, double assume_mv_per_unit, shn_check **out, shn_error *err)
{
    shn_format_options defaults;
    work w = { .out = shn_alloc(1, sizeof *w.out), .assume = assume_mv_per_unit };
    *out = NULL;
    if (!w.out) return shn_fail_nomem(err, "check");
    shn_format_defaults(&defaults);
    w.out->einthoven_uv_max = w.out->goldberger_uv_max = NAN;
    w.out->meta.age_years = NAN;
    const char *format = shn_format_of(path);
    snprintf(w.out->format, sizeof w.out->format, "%s", format ? format : "");
    const shn_status st = read_parts(&w, path, options ? options : &defaults, err);
    free(w.stored);
    free(w.noise);
    if (st == SHN_OK) *out = w.out;
    else shn_check_free(w.out);
    return st;
}

void shn_check_free(shn_check *check)
{
    if (!check) return;
    free(check->reasons);
    free(check->leads);
    free(check);
}
