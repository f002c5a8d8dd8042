/**
 * EDF+C from a record. Three things have to be made to fit: each lead's scale into eight-character ends of a range, the rate into eight characters of
 * seconds and a whole number of samples, and gaps and statements into annotation lists. What does not fit exactly is counted in the report.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/file.h"
#include "formats/adu.h"
#include "formats/deidentify.h"
#include "formats/edf/edf.h"
#include "formats/edf/identity.h"
#include "shinden/signal.h"

enum { WIDTH = 8, TAL_MAX = 640, TIME_MAX = 32 };
#define RECORD_BYTES_MAX ((size_t)1 << 24)

typedef struct field { char text[WIDTH + 1]; } field;

/** What is written of a lead. */
typedef struct column {
    adu_fit fit;
    char    label[17];
    const char *unit;
    field   physical[2], digital[2];
    int     dmin;
} column;

typedef struct output {
    const shn_record   *rec;
    shn_convert_options options;
    shn_convert_report  report;
    column   *columns;
    size_t    n_leads, n_samples, n_records, per_record, list_bytes;   /* list_bytes: of the annotation signal in a data record */
    field     seconds;
    double    record_seconds;
    shn_bytes lists;                    /* all annotation lists but the times, each ended by NUL */
    size_t    longest;                  /* of them, in bytes */
    shn_bytes ends;                     /* the one that belongs into the last data record, where there is padding */
} output;

/* ---- numbers in eight characters ---- */

static const double powers[] = { 1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7 };

static int decimals_for(double x)
{
    const double whole = fabs(x);
    int digits = 1;
    for (double limit = 10; whole >= limit && digits < 12; limit *= 10) digits++;
    const int room = WIDTH - digits - (x < 0);
    return room < 0 ? -1 : room >= 2 ? room - 1 : 0;
}

/** Decimals that a number has in the field; negative: it does not fit. Rounding may bring another digit: 99999999.9 does not fit. */
static int decimals_of(double x)
{
    const int decimals = decimals_for(x);
    return decimals < 0 ? -1 : decimals_for(nearbyint(x * powers[decimals]) / powers[decimals]);
}

/** How far the nearest number that fits the field is from x; infinite if none does. */
static double field_error(double x)
{
    const int decimals = decimals_of(x);
    if (decimals < 0) return INFINITY;
    const double scaled = x * powers[decimals];
    return fabs(scaled - nearbyint(scaled)) / powers[decimals];
}

static void put_number(double x, field *out)
{
    char text[64];
    const int decimals = decimals_of(x);
    snprintf(text, sizeof text, "%.*f", decimals < 0 ? 0 : decimals, x);
    if (strchr(text, '.')) {
        size_t n = strlen(text);
        while (text[n - 1] == '0') text[--n] = '\0';
        if (text[n - 1] == '.') text[--n] = '\0';
    }
    if (strcmp(text, "-0") == 0) strcpy(text, "0");
    snprintf(out->text, sizeof out->text, "%.8s", text);
}

/* ---- the range of a lead ---- */

/** An end of the range: from `from` on towards `to`, the first integer whose physical value fits exactly, else the one that comes nearest. */
static int choose_end(double from, double to, double gain, double baseline, double *error)
{
    const double step = to >= from ? 1 : -1;
    double best = INFINITY, at = from;
    for (double d = from; step * (to - d) >= 0; d += step) {
        const double p = (d - baseline) / gain, e = field_error(p) * fabs(gain);       /* in steps */
        if (e < best) {
            best = e;
            at = d;
        }
        if (e < 1e-9 * (fabs(d - baseline) + 1)) break;
    }
    *error = best;
    return (int)at;
}

/** Gain and baseline that a reader gets out of the four fields. */
static void implied(const column *c, double *gain, double *baseline)
{
    const double p0 = atof(c->physical[0].text), p1 = atof(c->physical[1].text), d0 = atof(c->digital[0].text), d1 = atof(c->digital[1].text);
    *gain = (d1 - d0) / (p1 - p0);
    *baseline = d0 - p0 * *gain;
}

/** The unit and the ends of the range with the least error; a baseline of 0 is kept by symmetric ends where no ends are exact. */
static void choose_range(column *c, int no_voltage, shn_convert_report *report)
{
    static const struct { const char *name; double per_mv; } units[] = { { "uV", 1e3 }, { "mV", 1 }, { "nV", 1e6 }, { "V", 1e-3 } };
    const adu_fit *f = &c->fit;
    const double   least = f->least <= f->most ? fmax(f->least, f->low) : -1, most = f->least <= f->most ? fmin(f->most, f->high) : 1;
    double best = INFINITY, gain = INFINITY, baseline = INFINITY;     /* stay so where no unit brings the ends into eight characters */
    for (size_t u = 0; u < (no_voltage ? 1 : 4) && best > 1e-6; u++) {
        const double per_unit = f->gain / (no_voltage ? 1 : units[u].per_mv);
        double e0, e1;
        const int d0 = choose_end(f->low, fmin(least, f->high - 1), per_unit, f->baseline, &e0);
        const int d1 = choose_end(f->high, fmax(most, d0 + 1), per_unit, f->baseline, &e1);
        if (!(fmax(e0, e1) < best)) continue;
        best = fmax(e0, e1);
        c->unit = no_voltage ? "" : units[u].name;
        c->dmin = d0;
        put_number(d0, &c->digital[0]);
        put_number(d1, &c->digital[1]);
        put_number((d0 - f->baseline) / per_unit, &c->physical[0]);
        put_number((d1 - f->baseline) / per_unit, &c->physical[1]);
        implied(c, &gain, &baseline);
        gain *= no_voltage ? 1 : units[u].per_mv;
    }
    report->gain_error = fmax(report->gain_error, fabs(gain / f->gain - 1) < 1e-11 ? 0 : fabs(gain / f->gain - 1));
    report->baseline_error = fmax(report->baseline_error, fabs(baseline - f->baseline) < 1e-6 ? 0 : fabs(baseline - f->baseline));
}

/** Sixteen characters of ASCII; the twelve leads by EDF+'s "ECG V1". */
static void make_label(const shn_record *rec, size_t lead, char label[17])
{
    const char *name = shn_record_name(rec, lead);
    const int   known = shn_lead_index(name) >= 0 && strlen(name) <= 12 && strncasecmp(name, "ecg", 3) != 0 && strncasecmp(name, "ekg", 3) != 0;
    char text[64];
    snprintf(text, sizeof text, "%s%s", known ? "ECG " : "", name);
    snprintf(label, 17, "%.16s", text);
    for (char *p = label; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e) *p = '?';
}

static shn_status choose_columns(output *o, shn_error *err)
{
    adu_fit   *fits = shn_alloc(o->n_leads, sizeof *fits);
    o->columns = shn_alloc(o->n_leads, sizeof *o->columns);
    shn_status st = fits && o->columns ? adu_fit_all(o->rec, INT16_MIN, INT16_MAX, fits, &o->report, err) : shn_fail_nomem(err, "edf.write");
    for (size_t i = 0; i < o->n_leads && st == SHN_OK; i++) {
        column *c = &o->columns[i];
        const shn_unit_origin unit = shn_record_unit(o->rec, i);
        c->fit = fits[i];
        make_label(o->rec, i, c->label);
        choose_range(c, unit == SHN_UNIT_NOT_VOLTAGE || unit == SHN_UNIT_UNKNOWN, &o->report);
        if (!isfinite(o->report.gain_error))
            st = shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "edf.write", "lead '%s' has a gain of %g and a baseline of %g, which the header's eight characters cannot hold",
                          shn_record_name(o->rec, i), fits[i].gain, fits[i].baseline);
    }
    free(fits);
    return st;
}

/* ---- the data records ---- */

/** Samples in a data record: its seconds must fit the field; a whole number of data records in the recording comes before one second each. */
static void choose_record(output *o)
{
    const double fs = shn_record_fs_hz(o->rec);
    const size_t n = o->n_samples, room = ((size_t)1 << 20) / (2 * o->n_leads);
    size_t       limit = fs * 60 < (double)room ? (size_t)ceil(fs * 60) : room;
    double       best = INFINITY;
    if (limit < 1) limit = 1;
    for (size_t k = 1; k <= limit; k++) {
        const double d = (double)k / fs;
        const double error = field_error(d) / d;
        if (!(error < 0.5)) continue;
        /* exact first; then without padding, if the data records are not tiny; then near to one second */
        const int    padded = n % k != 0, tiny = d < 0.1 && k < n;
        const double score = (error < 1e-12 ? 0 : 1e6 * (1 + error * 1e3)) + (padded ? 100 : 0) + (tiny ? 300 : 0) + fabs(log(d));
        if (score < best) {
            best = score;
            o->per_record = k;
        }
    }
    if (o->per_record == 0) o->per_record = 1;          /* faster than the field has digits: the error says so */
    put_number((double)o->per_record / fs, &o->seconds);
    o->record_seconds = atof(o->seconds.text);
    o->n_records = (n + o->per_record - 1) / o->per_record;
    o->report.n_padding = o->n_records * o->per_record - n;
    o->report.fs_error = fabs((double)o->per_record / o->record_seconds / fs - 1);
    if (o->report.fs_error < 1e-12) o->report.fs_error = 0;
}

/** Seconds as EDF+ has them: "+12.5", no exponent. */
static int put_onset(double seconds, char *out, size_t size)
{
    int n = snprintf(out, size, "%.9f", seconds);
    while (out[n - 1] == '0') n--;
    if (out[n - 1] == '.') n--;
    out[n] = '\0';
    return n;
}

static shn_status add_list_to(output *o, shn_bytes *lists, double onset, double duration, const char *text, shn_error *err)
{
    char list[TAL_MAX], words[512], number[TIME_MAX];
    adu_line(words, sizeof words, text);
    int n = put_onset(fabs(onset), number, sizeof number);
    n = snprintf(list, sizeof list, "%c%s", onset < 0 ? '-' : '+', number);
    if (duration > 0) {
        put_onset(duration, number, sizeof number);
        n += snprintf(list + n, sizeof list - (size_t)n, "\x15%s", number);
    }
    n += snprintf(list + n, sizeof list - (size_t)n, "\x14%s\x14", words);
    if ((size_t)n + 1 > o->longest) o->longest = (size_t)n + 1;
    return shn_bytes_add(lists, list, (size_t)n + 1, err);
}

static shn_status add_list(output *o, double onset, double duration, const char *text, shn_error *err)
{
    return add_list_to(o, &o->lists, onset, duration, text, err);
}

/** A statement at its own time, where it is one that our reader made of an annotation: "+12.5 s: text", "+12.5 s (3 s): text". */
static shn_status add_statement(output *o, const char *text, shn_error *err)
{
    double onset, duration;
    int    used = 0;
    if ((*text == '+' || *text == '-') && sscanf(text, "%lf s (%lf s): %n", &onset, &duration, &used) == 2 && used && fabs(onset) < 1e9 && duration >= 0 && duration < 1e9)
        return add_list(o, onset, duration, text + used, err);
    if ((*text == '+' || *text == '-') && sscanf(text, "%lf s: %n", &onset, &used) == 1 && used && fabs(onset) < 1e9) return add_list(o, onset, 0, text + used, err);
    return add_list(o, 0, 0, text, err);
}

static int all_gaps(const output *o, size_t t)
{
    for (size_t i = 0; i < o->n_leads; i++)
        if (isfinite(shn_record_lead(o->rec, i)[t])) return 0;
    return 1;
}

/** 1 where sample t of the lead must be named as a gap of its own: it is none that all leads share. */
static int own_gap(const output *o, size_t lead, size_t t) { return !isfinite(shn_record_lead(o->rec, lead)[t]) && !all_gaps(o, t); }

/** The stretches of gaps of one lead that others do not share, or (lead == n_leads) those that all share. */
static shn_status add_gaps(output *o, size_t lead, shn_error *err)
{
    const double fs = (double)o->per_record / o->record_seconds;
    char         text[48] = SHN_EDF_GAP;
    int          same = 0;
    shn_status   st = SHN_OK;
    if (lead < o->n_leads) {
        for (size_t i = 0; i < o->n_leads; i++) same += strcmp(o->columns[i].label, o->columns[lead].label) == 0;
        char trimmed[17];
        snprintf(trimmed, sizeof trimmed, "%s", o->columns[lead].label);
        for (size_t n = strlen(trimmed); n && trimmed[n - 1] == ' ';) trimmed[--n] = '\0';
        if (same == 1 && *trimmed && *trimmed != ' ' && *trimmed != '#') snprintf(text, sizeof text, SHN_EDF_GAP "@@%s", trimmed);
        else snprintf(text, sizeof text, SHN_EDF_GAP "@@#%zu", lead + 1);
        if (o->columns[lead].fit.n_gaps == 0) return SHN_OK;
    }
    for (size_t t = 0; t < o->n_samples && st == SHN_OK; t++) {
        const size_t from = t;
        while (t < o->n_samples && (lead < o->n_leads ? own_gap(o, lead, t) : all_gaps(o, t))) t++;
        if (t > from) st = add_list(o, (double)from / fs, (double)(t - from) / fs, text, err);
    }
    return st;
}

static shn_status collect_lists(output *o, shn_error *err)
{
    char       text[512];
    shn_status st = SHN_OK;
    for (size_t i = 0; i < shn_record_n_labels(o->rec) && st == SHN_OK; i++) {
        snprintf(text, sizeof text, SHN_EDF_CODE "%.480s", shn_record_label(o->rec, i));
        st = add_list(o, 0, 0, text, err);
    }
    for (size_t i = 0; i < shn_record_n_measurements(o->rec) && st == SHN_OK; i++) {
        const shn_measurement *m = shn_record_measurement(o->rec, i);
        snprintf(text, sizeof text, SHN_EDF_MEASUREMENT "%s %.9g %s", m->name, m->value, m->unit);
        st = add_list(o, 0, 0, text, err);
    }
    for (size_t i = 0; i < shn_record_n_statements(o->rec) && st == SHN_OK; i++) st = add_statement(o, shn_record_statement(o->rec, i), err);
    for (size_t lead = 0; lead <= o->n_leads && o->report.n_gaps && st == SHN_OK; lead++) st = add_gaps(o, lead, err);
    if (st == SHN_OK && o->report.n_padding) 
        st = add_list_to(o, &o->ends, (double)o->n_samples * o->record_seconds / (double)o->per_record, 0, SHN_EDF_ENDS, err);
    return st;
}

/* ---- the bytes ---- */

static void put_text(FILE *f, size_t width, const char *text)
{
    const size_t n = strlen(text) < width ? strlen(text) : width;
    fwrite(text, 1, n, f);
    for (size_t i = n; i < width; i++) fputc(' ', f);
}

/** A part of the patient or recording field: ASCII without blanks, X if there is nothing. */
static void make_part(const char *text, char out[64])
{
    size_t n = 0;
    for (; *text && n < 60; text++)
        if ((unsigned char)*text > 0x20 && (unsigned char)*text < 0x7f) out[n++] = *text;
        else if (*text == ' ') out[n++] = '_';
        else if (((unsigned char)*text & 0xc0) != 0x80) out[n++] = '?';         /* one for each character of UTF-8 */
    out[n] = '\0';
    if (n == 0) strcpy(out, "X");
}

static void put_who(const output *o, FILE *f)
{
    const shn_record_meta *meta = shn_record_meta_of(o->rec);
    char     id[64], code[64], device[64], text[256], day[12], date[32] = "01.01.85", time[32] = "00.00.00";
    shn_day d = { 0, 0, 0 };
    int      hour, minute, second;
    make_part(o->options.keep_identifiers ? meta->patient : "", id);
    make_part(o->options.keep_identifiers ? meta->id : "", code);
    make_part(meta->device, device);
    id[48] = '\0';
    code[24] = '\0';
    if (sscanf(meta->acquired, "%4d-%2d-%2d", &d.year, &d.month, &d.day) == 3 && shn_day_valid(&d))
        snprintf(date, sizeof date, "%02d.%02d.%02d", d.day, d.month, d.year % 100);
    else d.year = 0;
    if (sscanf(meta->acquired, "%*4d-%*2d-%*2dT%2d:%2d:%2d", &hour, &minute, &second) == 3 && hour >= 0 && minute >= 0 && second >= 0)
        snprintf(time, sizeof time, "%02d.%02d.%02d", hour % 100, minute % 100, second % 100);
    edf_date_text(d, day);
    put_text(f, 8, "0");
    if (meta->age_years >= 0 && meta->age_years < 1000) snprintf(text, sizeof text, "%s %c X X Age_%.4g", id, meta->sex ? meta->sex : 'X', meta->age_years);
    else snprintf(text, sizeof text, "%s %c X X", id, meta->sex ? meta->sex : 'X');
    put_text(f, 80, text);
    snprintf(text, sizeof text, "Startdate %s %s X %s", day, code, device);
    put_text(f, 80, text);
    put_text(f, 8, date);
    put_text(f, 8, time);
}

/** The fields of one kind for all leads and the annotation signal. */
static void put_fields(const output *o, FILE *f, size_t width, const char *(*of)(const output *, size_t), const char *of_annotations)
{
    for (size_t i = 0; i < o->n_leads; i++) put_text(f, width, of(o, i));
    put_text(f, width, of_annotations);
}

static const char *label_of(const output *o, size_t i) { return o->columns[i].label; }
static const char *nothing(const output *o, size_t i) { return (void)o, (void)i, ""; }
static const char *unit_of(const output *o, size_t i) { return o->columns[i].unit; }
static const char *physical_min(const output *o, size_t i) { return o->columns[i].physical[0].text; }
static const char *physical_max(const output *o, size_t i) { return o->columns[i].physical[1].text; }
static const char *digital_min(const output *o, size_t i) { return o->columns[i].digital[0].text; }
static const char *digital_max(const output *o, size_t i) { return o->columns[i].digital[1].text; }
static const char *filters_of(const output *o, size_t i)
{
    const char *filters = shn_record_meta_of(o->rec)->filters;
    for (const char *p = filters; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e) return "";
    return shn_lead_index(shn_record_name(o->rec, i)) >= 0 ? filters : "";
}

static void put_header(const output *o, FILE *f)
{
    char per_record[32], list_samples[32], text[32];
    put_who(o, f);
    snprintf(text, sizeof text, "%zu", 256 * (o->n_leads + 2));
    put_text(f, 8, text);
    put_text(f, 44, "EDF+C");
    snprintf(text, sizeof text, "%zu", o->n_records);
    put_text(f, 8, text);
    put_text(f, 8, o->seconds.text);
    snprintf(text, sizeof text, "%zu", o->n_leads + 1);
    put_text(f, 4, text);
    put_fields(o, f, 16, label_of, "EDF Annotations");
    put_fields(o, f, 80, nothing, "");
    put_fields(o, f, 8, unit_of, "");
    put_fields(o, f, 8, physical_min, "-1");
    put_fields(o, f, 8, physical_max, "1");
    put_fields(o, f, 8, digital_min, "-32768");
    put_fields(o, f, 8, digital_max, "32767");
    put_fields(o, f, 80, filters_of, "");
    snprintf(per_record, sizeof per_record, "%zu", o->per_record);
    snprintf(list_samples, sizeof list_samples, "%zu", o->list_bytes / 2);
    for (size_t i = 0; i < o->n_leads; i++) put_text(f, 8, per_record);
    put_text(f, 8, list_samples);
    put_fields(o, f, 32, nothing, "");
}

/** The annotation signal of a data record: its own time, then as many of the lists as fit. *at: how far they are written. */
static void put_lists(const output *o, size_t record, size_t *at, uint8_t *out)
{
    char number[TIME_MAX];
    memset(out, 0, o->list_bytes);
    put_onset((double)record * o->record_seconds, number, sizeof number);
    size_t n = (size_t)sprintf((char *)out, "+%s\x14\x14", number) + 1;
    if (record + 1 == o->n_records && o->ends.n) {
        memcpy(out + n, o->ends.bytes, o->ends.n);
        n += o->ends.n;
    }
    while (*at < o->lists.n) {
        const size_t length = strlen((const char *)o->lists.bytes + *at) + 1;
        if (n + length > o->list_bytes) break;
        memcpy(out + n, o->lists.bytes + *at, length);
        n += length;
        *at += length;
    }
}

static void put_samples(const output *o, size_t record, uint8_t *out)
{
    const size_t first = record * o->per_record;
    for (size_t i = 0; i < o->n_leads; i++) {
        const float  *x = shn_record_lead(o->rec, i);
        const column *c = &o->columns[i];
        for (size_t k = 0; k < o->per_record; k++) {
            const size_t t = first + k;
            const int    v = t < o->n_samples && isfinite(x[t]) ? adu_of(&c->fit, x[t]) : c->dmin;
            write_u16le(out, (uint16_t)v);
            out += 2;
        }
    }
}

static shn_status write_file(output *o, const char *path, shn_error *err)
{
    shn_writer   w = { 0 };
    size_t       at = 0;
    /* a data record leaves less than the longest list unused, so all of them fit */
    o->list_bytes = (TIME_MAX + o->ends.n + o->longest + o->lists.n / o->n_records + 2) / 2 * 2;
    const size_t sample_bytes = 2 * o->n_leads * o->per_record, record_bytes = sample_bytes + o->list_bytes;
    if (record_bytes > RECORD_BYTES_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "edf.write", "a data record of %zu bytes, at most %zu: too many gaps or statements", record_bytes, RECORD_BYTES_MAX);
    if (o->n_records > 99999999)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "edf.write", "%zu data records, the header has eight digits", o->n_records);
    uint8_t *bytes = shn_alloc(record_bytes, 1);
    if (!bytes) return shn_fail_nomem(err, "edf.write");
    shn_status st = shn_writer_open(&w, path, err);
    if (st == SHN_OK) {
        put_header(o, w.stream);
        for (size_t i = 0; i < o->n_records; i++) {
            put_samples(o, i, bytes);
            put_lists(o, i, &at, bytes + sample_bytes);
            fwrite(bytes, 1, record_bytes, w.stream);
        }
        assert(at == o->lists.n);
        st = shn_writer_commit(&w, err);
    }
    free(bytes);
    return st;
}

shn_status shn_edf_write(const shn_record *rec, const char *path, const shn_convert_options *options, shn_convert_report *report, shn_error *err)
{
    output o = { .rec = rec, .n_leads = shn_record_n_leads(rec), .n_samples = shn_record_n_samples(rec) };
    if (options) o.options = *options;
    shn_status st = choose_columns(&o, err);
    if (st == SHN_OK) {
        choose_record(&o);
        st = collect_lists(&o, err);
    }
    if (st == SHN_OK) st = write_file(&o, path, err);
    if (st == SHN_OK && report) *report = o.report;
    shn_bytes_free(&o.lists);
    shn_bytes_free(&o.ends);
    free(o.columns);
    return st;
}
