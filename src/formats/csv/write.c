/** ECGs as CSV in the layout of csv.h: integers where the record has them, so that nothing is lost. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/fail.h"
#include "base/file.h"
#include "formats/adu.h"
#include "formats/csv/csv.h"

/** What is written of a lead: integers (fit counts), or its values as they are. */
typedef struct column { adu_fit fit; int is_adu, bits; const char *unit, *origin; } column;

static const char *origin_of(shn_unit_origin unit)
{
    return unit == SHN_UNIT_DEFAULT ? "default" : unit == SHN_UNIT_ASSUMED ? "assumed" : "declared";
}

static void choose_column(const shn_record *rec, size_t lead, column *c, shn_convert_report *report)
{
    const shn_unit_origin unit = shn_record_unit(rec, lead);
    const shn_lead_cal    cal = shn_record_calibration(rec, lead);
    adu_fit_lead(rec, lead, INT32_MIN, INT32_MAX, &c->fit);
    c->bits = cal.bits;
    c->origin = origin_of(unit);
    /* a lead that was filtered or interpolated is on no steps: its values are exact as they are, its integers would not be */
    c->is_adu = cal.gain_adu_per_mv != 0 && c->fit.gain == cal.gain_adu_per_mv && c->fit.n_rounded == 0 && c->fit.n_clipped == 0 && unit != SHN_UNIT_UNKNOWN &&
                unit != SHN_UNIT_NOT_VOLTAGE;
    c->unit = c->is_adu ? "adu" : unit == SHN_UNIT_UNKNOWN ? "unknown" : unit == SHN_UNIT_NOT_VOLTAGE ? "other" : "mV";
    report->n_gaps += c->fit.n_gaps;
}

static void put_text(FILE *f, const char *key, const char *value)
{
    char line[1024];
    if (!*value) return;
    adu_line(line, sizeof line, value);
    fprintf(f, "# %s: %s\n", key, line);
}

static const char *number(double x, char out[32])
{
    snprintf(out, 32, "%.15g", x);
    if (strtod(out, NULL) != x) snprintf(out, 32, "%.17g", x);
    return out;
}

/** One word for all leads where they agree, else one for each. */
static void put_words(FILE *f, const char *key, size_t n, const column *columns, const char *(*word)(const column *, char out[32]))
{
    char first[32], other[32];
    int  same = 1;
    const char *w = word(&columns[0], first);
    for (size_t i = 1; i < n; i++) same &= strcmp(word(&columns[i], other), w) == 0;
    fprintf(f, "# %s:", key);
    for (size_t i = 0; i < (same ? 1 : n); i++) fprintf(f, " %s", word(&columns[i], other));
    fputc('\n', f);
}

static const char *unit_word(const column *c, char out[32]) { return (void)out, c->unit; }
static const char *origin_word(const column *c, char out[32]) { return (void)out, c->origin; }
static const char *gain_word(const column *c, char out[32]) { return number(c->is_adu ? c->fit.gain : 1, out); }
static const char *baseline_word(const column *c, char out[32]) { return number(c->is_adu ? c->fit.baseline : 0, out); }
static const char *bits_word(const column *c, char out[32])
{
    const int known = c->bits == 8 || c->bits == 12 || c->bits == 16 || c->bits == 24 || c->bits == 32;
    snprintf(out, 32, "%d", known ? c->bits : 16);
    return out;
}

static void put_head(const shn_record *rec, const column *columns, const shn_convert_options *options, FILE *f)
{
    const shn_record_meta *meta = shn_record_meta_of(rec);
    const size_t           n = shn_record_n_leads(rec);
    char   text[64];
    int    any_adu = 0, any_other_origin = 0;
    for (size_t i = 0; i < n; i++) {
        any_adu |= columns[i].is_adu;
        any_other_origin |= strcmp(columns[i].origin, "declared") != 0;
    }
    fputs(SHN_ECG_CSV_MARK "\n", f);
    fprintf(f, "# fs_hz: %s\n", number(shn_record_fs_hz(rec), text));
    put_words(f, "unit", n, columns, unit_word);
    if (any_adu) {
        put_words(f, "gain_adu_per_mv", n, columns, gain_word);
        put_words(f, "baseline_adu", n, columns, baseline_word);
        put_words(f, "bits", n, columns, bits_word);
    }
    if (any_other_origin) put_words(f, "unit_origin", n, columns, origin_word);
    if (options->keep_identifiers) {
        put_text(f, "id", meta->id);
        put_text(f, "patient", meta->patient);
    }
    put_text(f, "acquired", meta->acquired);
    if (meta->age_years >= 0) put_text(f, "age", number(meta->age_years, text));
    if (meta->sex) fprintf(f, "# sex: %c\n", meta->sex);
    put_text(f, "device", meta->device);
    put_text(f, "filters", meta->filters);
    for (size_t i = 0; i < shn_record_n_statements(rec); i++) put_text(f, "statement", shn_record_statement(rec, i));
    for (size_t i = 0; i < shn_record_n_labels(rec); i++) put_text(f, "label", shn_record_label(rec, i));
    for (size_t i = 0; i < shn_record_n_measurements(rec); i++) {
        const shn_measurement *m = shn_record_measurement(rec, i);
        char line[128];
        snprintf(line, sizeof line, "%s %s %s", m->name, number(m->value, text), m->unit);
        put_text(f, "measurement", line);
    }
    for (size_t i = 0; i < n; i++) {
        char name[64];
        adu_line(name, sizeof name, shn_record_name(rec, i));
        if (!*name) snprintf(name, sizeof name, "lead%zu", i + 1);     /* a column must have a name */
        if (i) fputc(',', f);
        shn_csv_put_field(f, name, ',');
    }
    fputc('\n', f);
}

static char *put_integer(char *out, int32_t v)
{
    char     digits[12];
    size_t   n = 0;
    uint32_t u = v < 0 ? 0u - (uint32_t)v : (uint32_t)v;
    if (v < 0) *out++ = '-';
    do digits[n++] = (char)('0' + u % 10);
    while ((u /= 10) != 0);
    while (n) *out++ = digits[--n];
    return out;
}

static void put_rows(const shn_record *rec, const column *columns, FILE *f)
{
    const size_t n = shn_record_n_leads(rec);
    char         row[SHN_LEADS_MAX * 20 + 2];
    for (size_t t = 0; t < shn_record_n_samples(rec); t++) {
        char *at = row;
        for (size_t i = 0; i < n; i++) {
            const float x = shn_record_lead(rec, i)[t];
            if (i) *at++ = ',';
            if (!isfinite(x)) {
                if (n == 1) at = stpcpy(at, "nan");     /* an empty line would be no row */
                continue;
            }
            if (columns[i].is_adu) at = put_integer(at, adu_of(&columns[i].fit, x));
            else at += snprintf(at, 20, "%.9g", (double)x);
        }
        *at++ = '\n';
        fwrite(row, 1, (size_t)(at - row), f);
    }
}

shn_status shn_csv_write(const shn_record *rec, const char *path, const shn_convert_options *options, shn_convert_report *report, shn_error *err)
{
    shn_convert_report  own = { 0 };
    shn_convert_options o = { 0 };
    shn_writer          w = { 0 };
    if (options) o = *options;
    column *columns = shn_alloc(shn_record_n_leads(rec), sizeof *columns);
    if (!columns) return shn_fail_nomem(err, "csv.write");
    for (size_t i = 0; i < shn_record_n_leads(rec); i++) choose_column(rec, i, &columns[i], &own);
    shn_status st = shn_writer_open(&w, path, err);
    if (st == SHN_OK) {
        put_head(rec, columns, &o, w.stream);
        put_rows(rec, columns, w.stream);
        st = shn_writer_commit(&w, err);
    }
    if (st == SHN_OK && report) *report = own;
    free(columns);
    return st;
}
