/** WFDB records in format 16: integers as they were stored, with their own gain and baseline. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/file.h"
#include "formats/adu.h"
#include "shinden/wfdb.h"

enum { COMMENT_MAX = 1024 };

/** What is written of a lead. */
typedef struct column { adu_fit fit; uint16_t sum; int16_t first; const char *unit; } column;

static int plain(const char *name)
{
    if (!*name || strlen(name) > 200) return 0;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_' && *name != '-') return 0;
    return 1;
}

/** Frame by frame into bytes [n][n_leads]; sums and first values for the header. */
static void encode(const shn_record *rec, uint8_t *bytes, column *columns)
{
    const size_t n_leads = shn_record_n_leads(rec), n = shn_record_n_samples(rec);
    for (size_t l = 0; l < n_leads; l++) {
        const float *x = shn_record_lead(rec, l);
        column      *c = &columns[l];
        for (size_t t = 0; t < n; t++) {
            const int16_t v = isfinite(x[t]) ? (int16_t)adu_of(&c->fit, x[t]) : INT16_MIN;      /* neither NaN nor Inf was measured: a gap */
            if (t == 0) c->first = v;
            c->sum = (uint16_t)(c->sum + (uint16_t)v);
            write_u16le(bytes + 2 * (t * n_leads + l), (uint16_t)v);
        }
    }
}

/** The shortest decimal that gives the number back. */
static const char *shortest(double x, char out[32])
{
    snprintf(out, 32, "%.12g", x);
    if (strtod(out, NULL) != x) snprintf(out, 32, "%.17g", x);
    return out;
}

/** " 12:33:59 09/11/1984" from "1984-11-09T12:33:59"; "" where no time of day is known, for a date alone cannot stand in a record line. */
static void start_words(const char *acquired, char out[40])
{
    int year, month, day, hour, minute;
    double second;
    *out = '\0';
    if (sscanf(acquired, "%4d-%2d-%2dT%2d:%2d:%lf", &year, &month, &day, &hour, &minute, &second) == 6 && second >= 0 && second < 61)
        snprintf(out, 40, " %02d:%02d:%06.3f %02d/%02d/%04d", hour % 100, minute % 100, second, day % 100, month % 100, year % 10000);
    char *zeros = strstr(out, ".000 ");
    if (zeros) memmove(zeros, zeros + 4, strlen(zeros + 4) + 1);
}

static shn_status write_header(const shn_record *rec, const char *folder, const char *name, const column *columns, const char *const *comments, size_t n_comments,
                               shn_error *err)
{
    char       path[SHN_PATH_MAX], file[256], number[32], start[40];
    shn_writer w = { 0 };
    snprintf(file, sizeof file, "%s.hea", name);
    shn_status st = shn_path_join(path, folder, file, err);
    if (st == SHN_OK) st = shn_writer_open(&w, path, err);
    if (st != SHN_OK) return st;
    start_words(shn_record_meta_of(rec)->acquired, start);
    fprintf(w.stream, "%s %zu %s %zu%s\n", name, shn_record_n_leads(rec), shortest(shn_record_fs_hz(rec), number), shn_record_n_samples(rec), start);
    for (size_t l = 0; l < shn_record_n_leads(rec); l++) {
        const column *c = &columns[l];
        char          lead[64];
        adu_line(lead, sizeof lead, shn_record_name(rec, l));
        fprintf(w.stream, "%s.dat 16 %s(%d)/%s 16 0 %d %d 0 %s\n", name, shortest(c->fit.gain, number), (int)nearbyint(c->fit.baseline), c->unit, c->first,
                (int)(int16_t)c->sum, lead);
    }
    for (size_t i = 0; i < n_comments; i++) fprintf(w.stream, "#%s\n", comments[i]);
    return shn_writer_commit(&w, err);
}

static shn_status write_both(const shn_record *rec, const char *folder, const char *name, column *columns, const char *const *comments, size_t n_comments, shn_error *err)
{
    const size_t n_leads = shn_record_n_leads(rec), n = shn_record_n_samples(rec);
    char         path[SHN_PATH_MAX], file[256];
    if (!plain(name))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "wfdb.write", "record name '%.60s': only letters, digits, '_' and '-'", name);
    for (size_t i = 0; i < n_comments; i++)
        if (strpbrk(comments[i], "\r\n"))
            return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "wfdb.write", "comment %zu has a line break", i);
    for (size_t l = 0; l < n_leads; l++)
        if (!(fabs(columns[l].fit.baseline) < 2147483647.0))
            return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "wfdb.write", "lead '%s' has a baseline of %g, which a header cannot hold", shn_record_name(rec, l),
                            columns[l].fit.baseline);
    uint8_t *bytes = shn_alloc(n_leads * n, 2);
    if (!bytes) return shn_fail_nomem(err, "wfdb.write");
    encode(rec, bytes, columns);
    snprintf(file, sizeof file, "%s.dat", name);
    shn_status st = shn_path_join(path, folder, file, err);
    if (st == SHN_OK) st = shn_file_write(path, bytes, n_leads * n * 2, err);
    free(bytes);
    return st == SHN_OK ? write_header(rec, folder, name, columns, comments, n_comments, err) : st;
}

shn_status shn_wfdb_write16(const shn_record *rec, const char *folder, const char *name, const char *const *comments, size_t n_comments, shn_error *err)
{
    const size_t n_leads = shn_record_n_leads(rec);
    column      *columns = shn_alloc(n_leads, sizeof *columns);
    if (!columns) return shn_fail_nomem(err, "wfdb.write");
    for (size_t l = 0; l < n_leads; l++) {
        adu_fit_lead(rec, l, -INT16_MAX, INT16_MAX, &columns[l].fit);
        columns[l].unit = shn_record_unit(rec, l) == SHN_UNIT_NOT_VOLTAGE ? "NU" : "mV";
    }
    const shn_status st = write_both(rec, folder, name, columns, comments, n_comments, err);
    free(columns);
    return st;
}

/* ---- comments from a record ---- */

typedef struct comment_list { char (*lines)[COMMENT_MAX]; size_t n, capacity; } comment_list;

static shn_status add_comment(comment_list *list, const char *key, const char *value, shn_error *err)
{
    if (!*value) return SHN_OK;
    if (shn_grow(&list->lines, &list->capacity, list->n + 1, sizeof *list->lines) != 0) return shn_fail_nomem(err, "wfdb.write");
    char line[COMMENT_MAX];
    snprintf(line, sizeof line, "%s: %.1000s", key, value);
    adu_line(list->lines[list->n++], COMMENT_MAX, line);
    return SHN_OK;
}

/** In the words that Challenge headers use and wfdb/comments.c reads. */
static shn_status make_comments(const shn_record *rec, const shn_convert_options *options, comment_list *list, shn_error *err)
{
    const shn_record_meta *meta = shn_record_meta_of(rec);
    char                   text[COMMENT_MAX];
    shn_status             st = SHN_OK;
    snprintf(text, sizeof text, "%g", meta->age_years);
    if (meta->age_years >= 0) st = add_comment(list, "Age", text, err);
    snprintf(text, sizeof text, "%s", meta->sex == 'M' ? "Male" : meta->sex == 'F' ? "Female" : "");
    if (st == SHN_OK) st = add_comment(list, "Sex", text, err);
    size_t used = 0;
    *text = '\0';
    for (size_t i = 0; i < shn_record_n_labels(rec) && st == SHN_OK; i++) {
        const char *label = shn_record_label(rec, i);
        if (strchr(label, ',') || strlen(label) > 63) continue;         /* words, not a code: they stand among the statements, too */
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? "," : "", label);
        if (used > sizeof text - 100) {
            st = add_comment(list, "Dx", text, err);
            used = 0;
            *text = '\0';
        }
    }
    if (st == SHN_OK) st = add_comment(list, "Dx", text, err);
    if (st == SHN_OK && options->keep_identifiers) st = add_comment(list, "Patient id", meta->patient, err);
    if (st == SHN_OK) st = add_comment(list, "Device", meta->device, err);
    if (st == SHN_OK) st = add_comment(list, "Filters", meta->filters, err);
    for (size_t i = 0; i < shn_record_n_statements(rec) && st == SHN_OK; i++) st = add_comment(list, "Statement", shn_record_statement(rec, i), err);
    return st;
}

shn_status shn_wfdb_write(const shn_record *rec, const char *folder, const char *name, const shn_convert_options *options, shn_convert_report *report, shn_error *err)
{
    const size_t        n_leads = shn_record_n_leads(rec);
    shn_convert_report  own = { 0 };
    shn_convert_options o = { 0 };
    comment_list        list = { .lines = NULL };
    const char        **comments = NULL;
    if (options) o = *options;
    column  *columns = shn_alloc(n_leads, sizeof *columns);
    adu_fit *fits = shn_alloc(n_leads, sizeof *fits);
    shn_status st = columns && fits ? SHN_OK : shn_fail_nomem(err, "wfdb.write");
    if (st == SHN_OK) st = adu_fit_all(rec, -INT16_MAX, INT16_MAX, fits, &own, err);
    for (size_t l = 0; l < n_leads && st == SHN_OK; l++) {
        const shn_unit_origin unit = shn_record_unit(rec, l);
        columns[l].fit = fits[l];
        columns[l].unit = unit == SHN_UNIT_NOT_VOLTAGE || unit == SHN_UNIT_UNKNOWN ? "NU" : "mV";
        own.baseline_error = fmax(own.baseline_error, fabs(fits[l].baseline - nearbyint(fits[l].baseline)));
    }
    if (st == SHN_OK) st = make_comments(rec, &o, &list, err);
    if (st == SHN_OK && !(comments = shn_alloc(list.n, sizeof *comments))) st = shn_fail_nomem(err, "wfdb.write");
    for (size_t i = 0; i < list.n && st == SHN_OK; i++) comments[i] = list.lines[i];
    if (st == SHN_OK) st = write_both(rec, folder, name, columns, comments, list.n, err);
    if (st == SHN_OK && report) *report = own;
    free(comments);
    free(list.lines);
    free(fits);
    free(columns);
    return st;
}
