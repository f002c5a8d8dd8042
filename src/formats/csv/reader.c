#include "formats/csv/csv.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/csv/head.h"
#include "formats/decimal.h"

static const char *const WHERE = "csv";

/** Rows of the body; a table of one column counts empty lines too. */
static size_t count_rows(const csv_head *h)
{
    csv_lines l = { h->body.at, h->body.at + h->body.n, 0 };
    csv_text  line;
    size_t    n = 0;
    while (csv_line(&l, &line)) n += line.n > 0 || h->n_columns == 1;
    return n;
}

/** Most cells are a short integer and nothing else. NULL: this one is not. */
static const char *take_integer(char separator, const char *p, const char *end, double *v)
{
    const int   negative = p < end && *p == '-';
    const char *digits = p + negative, *q = digits;
    int64_t     n = 0;
    for (; q < end && (unsigned char)(*q - '0') < 10 && q - digits < 15; q++) n = n * 10 + (*q - '0');
    if (q == digits || (q < end && *q != separator)) return NULL;
    *v = negative ? -(double)n : (double)n;
    return q;
}

/** One cell: past blanks and quotes to the separator or the line's end. NULL: neither number nor gap. */
static const char *take_cell(const csv_head *h, const char *p, const char *end, double *v)
{
    const char *integer = take_integer(h->separator, p, end, v);
    if (integer) return integer;
    while (p < end && *p == ' ') p++;
    const int quoted = p < end && *p == '"';
    p += quoted;
    if (p == end || *p == h->separator || (quoted && *p == '"')) *v = NAN;
    else if (end - p >= 3 && strncasecmp(p, "nan", 3) == 0) {
        *v = NAN;
        p += 3;
    } else {
        p = shn_decimal(p, end, h->decimal, v);
        if (!p) return NULL;
    }
    if (quoted && (p == end || *p++ != '"')) return NULL;
    while (p < end && *p == ' ') p++;
    return p == end || *p == h->separator ? p : NULL;
}

static shn_status bad_cell(const csv_head *h, csv_text line, const char *p, size_t number, size_t column, shn_error *err)
{
    size_t n = 0;
    while (p + n < line.at + line.n && n < 24 && p[n] != h->separator) n++;
    const int comma = h->decimal == '.' && memchr(p, ',', n) != NULL;
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, WHERE, "line %zu, column %zu: '%.*s' is no number%s", number, column + 1, (int)n, p,
                    comma ? "; if commas are decimal signs, add the line '# decimal: comma'" : "");
}

static double factor_of(csv_unit unit)
{
    switch (unit) {
    case CSV_MICROVOLT: return 1e-3;
    case CSV_NANOVOLT: return 1e-6;
    case CSV_VOLT: return 1e3;
    default: return 1;
    }
}

/** How a column becomes a lead: mV = (v - baseline) / gain, or v * factor. */
typedef struct column { float *out; double factor, gain, baseline; int integers; } column;

typedef struct table { const csv_head *h; column columns[SHN_LEADS_MAX]; double first_time, last_time; } table;

static shn_status take_row(table *t, csv_text line, size_t number, size_t row, shn_error *err)
{
    const csv_head *h = t->h;
    const char     *p = line.at, *end = line.at + line.n;
    const size_t    skip = h->first != CSV_FIRST_LEAD;
    for (size_t c = 0; c < h->n_columns; c++) {
        double v;
        if (c && p == end)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, WHERE, "line %zu has %zu fields, the row of names %zu", number, c, h->n_columns);
        p += c > 0;
        const char *q = take_cell(h, p, end, &v);
        if (!q) return bad_cell(h, line, p, number, c, err);
        if (c < skip) {
            if (row == 0) t->first_time = v;
            t->last_time = v;
        } else {
            column *to = &t->columns[c - skip];
            if (to->integers && !isnan(v) && !(fabs(v) <= 9e15 && v == (double)(int64_t)v))
                return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, WHERE, "line %zu, column %zu: %g in a column of adu, which are integers", number, c + 1, v);
            const double mv = to->gain != 0 ? (v - to->baseline) / to->gain : v * to->factor;
            if (!(fabs(mv) <= 3e38) && !isnan(mv)) return bad_cell(h, line, p, number, c, err);
            to->out[row] = (float)mv;
        }
        p = q;
    }
    if (p != end) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, WHERE, "line %zu has more fields than the row of names (%zu)", number, h->n_columns);
    return SHN_OK;
}

/** A column of times that contradicts fs_hz means that one of them is wrong, and all durations with it. */
static shn_status check_times(const table *t, size_t n, shn_error *err)
{
    if ((t->h->first != CSV_FIRST_SECONDS && t->h->first != CSV_FIRST_MILLISECONDS) || n < 2) return SHN_OK;
    const double seconds = (t->last_time - t->first_time) * (t->h->first == CSV_FIRST_SECONDS ? 1 : 1e-3), expected = (double)(n - 1) / t->h->fs_hz;
    if (fabs(seconds - expected) <= 1 / t->h->fs_hz + 1e-3) return SHN_OK;
    return shn_fail(err, SHN_FORMAT, SHN_REASON_FS_MISMATCH, WHERE, "fs_hz %g gives %g s for %zu rows, the column of times %g s", t->h->fs_hz, expected, n, seconds);
}

static shn_status take_rows(table *t, size_t first, size_t n, shn_error *err)
{
    csv_lines l = { t->h->body.at, t->h->body.at + t->h->body.n, t->h->body_line };
    csv_text  line;
    for (size_t row = 0; row < first + n && csv_line(&l, &line);) {
        if (!line.n && t->h->n_columns > 1) continue;
        if (row >= first) {
            const shn_status st = take_row(t, line, l.number, row - first, err);
            if (st != SHN_OK) return st;
        }
        row++;
    }
    return check_times(t, n, err);
}

static void prepare(table *t, shn_record *rec)
{
    for (size_t i = 0; i < t->h->n_leads; i++) {
        const csv_lead *lead = &t->h->leads[i];
        column         *c = &t->columns[i];
        *c = (column){ .out = shn_record_lead_mut(rec, i), .factor = factor_of(lead->unit), .integers = lead->unit == CSV_ADU };
        shn_unit_origin origin = lead->unit == CSV_UNKNOWN ? SHN_UNIT_UNKNOWN : lead->unit == CSV_OTHER ? SHN_UNIT_NOT_VOLTAGE : lead->origin;
        if (lead->unit == CSV_ADU && lead->gain != 0) {
            c->gain = lead->gain;
            c->baseline = lead->baseline;
            shn_record_set_calibration(rec, i, (shn_lead_cal){ lead->gain, lead->baseline, lead->bits });
        } else if (lead->unit == CSV_ADU) origin = SHN_UNIT_UNKNOWN;
        if (origin == SHN_UNIT_UNKNOWN)
            shn_record_add_note(rec, SHN_REASON_NO_UNIT, "lead %s: %s", lead->name,
                                lead->unit == CSV_ADU ? "adu without gain; add a line '# gain_adu_per_mv: ...'" : "no unit; add a line such as '# unit: mV'");
        shn_record_set_name(rec, i, lead->name);
        shn_record_set_unit(rec, i, origin);
    }
}

static shn_status read_table(const shn_input *in, table *t, shn_record **rec, shn_error *err)
{
    const csv_head *h = t->h;
    const size_t    total = count_rows(h);
    size_t          first, n;
    if (total == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, WHERE, "no row of samples below the names");
    shn_status st = shn_input_range(in, total, &first, &n, err);
    if (st != SHN_OK) return st;
    if (h->body.n + 1 < total * h->n_columns)       /* every row has its separators and its end: the samples must be there before memory is taken */
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, WHERE, "%zu rows in %zu bytes cannot have %zu columns each", total, h->body.n, h->n_columns);
    st = shn_record_new(h->n_leads, n, h->fs_hz, rec, err);
    if (st != SHN_OK) return st;
    prepare(t, *rec);
    shn_record_meta *meta = shn_record_meta_mut(*rec);
    strcpy(meta->format, "csv");
    meta->first_sample = first;
    meta->total_samples = total;
    st = take_rows(t, first, n, err);
    return st == SHN_OK ? csv_head_apply(h, *rec, err) : st;
}

static shn_status read_csv(const shn_input *in, shn_record **out, shn_error *err)
{
    shn_record *rec = NULL;
    csv_head   *h = shn_alloc(1, sizeof *h);
    table      *t = shn_alloc(1, sizeof *t);
    *out = NULL;
    shn_status st = h && t ? csv_head_parse(in->bytes, in->n_bytes, h, err) : shn_fail_nomem(err, WHERE);
    if (st == SHN_OK) {
        t->h = h;
        st = read_table(in, t, &rec, err);
    }
    if (st == SHN_OK) *out = rec;
    else shn_record_free(rec);
    free(h);
    free(t);
    return st;
}

/* ---- de-identification: settings, names and rows stay as they are, the lines about the patient do not ---- */

typedef struct scrub { shn_deid *deid; shn_bytes *out; shn_error *err; } scrub;

static shn_status put(scrub *s, const char *text, size_t n) { return shn_bytes_add(s->out, text, n, s->err); }

static shn_status put_line(scrub *s, const char *key, const char *value)
{
    char line[160];
    const int n = snprintf(line, sizeof line, "# %s: %s\n", key, value);
    return put(s, line, (size_t)n);
}

static shn_status note(scrub *s, size_t number, const char *what, const char *done)
{
    char place[32];
    snprintf(place, sizeof place, "line %zu", number);
    return shn_deid_note(s->deid, place, what, done, s->err);
}

static void cut_text(csv_text value, char *out, size_t size)
{
    const size_t n = value.n < size - 1 ? value.n : size - 1;
    memcpy(out, value.at, n);
    out[n] = '\0';
}

static shn_status scrub_date(scrub *s, csv_text value, size_t number)
{
    char      text[32];
    shn_error why;
    cut_text(value, text, sizeof text);
    /* "2001-02-03T04:05:06.000+09:00" is kept behind its date, anything longer or stranger is not */
    int plain = value.n < sizeof text;
    for (size_t i = 0; i < value.n && plain; i++) plain = isdigit((unsigned char)value.at[i]) || strchr("-:.+TZ ", value.at[i]);
    if (!plain || shn_deid_date_text(s->deid, text, 0, &why) != SHN_OK) return note(s, number, "time of recording", "removed: not a date that can be shifted");
    const shn_status st = put_line(s, "acquired", text);
    return st == SHN_OK ? note(s, number, "time of recording", "shifted") : st;
}

static shn_status scrub_age(scrub *s, csv_text line, csv_text value, size_t number)
{
    double age;
    if (!shn_decimal_whole(value.at, value.at + value.n, &age) || age < 0 || age > 400) return note(s, number, "age", "removed: no number");
    if (shn_deid_age((int)age) == (int)age) {
        const shn_status st = put(s, line.at, line.n);
        return st == SHN_OK ? put(s, "\n", 1) : st;
    }
    char text[16];
    snprintf(text, sizeof text, "%d", shn_deid_age((int)age));
    const shn_status st = put_line(s, "age", text);
    return st == SHN_OK ? note(s, number, "age", "cut to 90") : st;
}

static size_t strspn_digits(csv_text t)
{
    size_t n = 0;
    while (n < t.n && isdigit((unsigned char)t.at[n])) n++;
    return n;
}

/** "qrs_duration 98 ms": a usual name, a number, a usual unit. */
static int is_usual_measurement(csv_text value)
{
    static const char *const names[] = { "heart_rate", "pr_interval", "qrs_duration", "qt_interval", "qtc_interval", "p_axis", "qrs_axis", "t_axis" };
    char   text[64], name[33], number[33], unit[33];
    double v;
    int    end = 0;
    if (value.n >= sizeof text) return 0;
    cut_text(value, text, sizeof text);
    if (sscanf(text, "%32s %32s %32s %n", name, number, unit, &end) != 3 || text[end] || !shn_decimal_whole(number, number + strlen(number), &v)) return 0;
    if (strcmp(unit, "ms") != 0 && strcmp(unit, "/min") != 0 && strcmp(unit, "deg") != 0) return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return 1;
    return 0;
}

/** Lines whose content the layout knows to be no text of a person's. */
static int harmless(csv_text key, csv_text value)
{
    static const char *const keys[] = { "fs_hz", "unit", "gain_adu_per_mv", "baseline_adu", "bits", "unit_origin", "decimal" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (csv_is(key, keys[i])) return 1;
    if (csv_is(key, "sex")) return csv_is(value, "M") || csv_is(value, "F");
    if (csv_is(key, "label")) return value.n > 0 && value.n <= 18 && strspn_digits(value) == value.n;     /* a SNOMED code */
    return csv_is(key, "measurement") && is_usual_measurement(value);
}

static shn_status scrub_line(scrub *s, csv_text line, size_t number)
{
    csv_text key, value;
    char     id[SHN_DEID_PATIENT_MAX];
    if (!line.n || (number == 1 && csv_is(line, SHN_ECG_CSV_MARK)) || (csv_key(line, &key, &value) && harmless(key, value))) {
        const shn_status st = put(s, line.at, line.n);
        return st == SHN_OK ? put(s, "\n", 1) : st;
    }
    if (!csv_key(line, &key, &value)) return note(s, number, "comment", "removed");
    if (csv_is(key, "patient")) {
        shn_deid_id(s->deid, id, sizeof id);
        const shn_status st = put_line(s, "patient", id);
        return st == SHN_OK ? note(s, number, "patient id", "hashed") : st;
    }
    if (csv_is(key, "acquired")) return scrub_date(s, value, number);
    if (csv_is(key, "age")) return scrub_age(s, line, value, number);
    static const struct { const char *key, *what; } removed[] = {
        { "id", "record id" },         { "device", "device, which may have a serial number" }, { "filters", "free text" },
        { "statement", "free text" },  { "label", "free text" },                               { "measurement", "free text" }, { "sex", "free text" },
    };
    for (size_t i = 0; i < sizeof removed / sizeof *removed; i++)
        if (csv_is(key, removed[i].key)) return note(s, number, removed[i].what, "removed");
    return note(s, number, "comment", "removed");
}

static void name_patient(const csv_head *h, shn_deid *deid)
{
    csv_lines l = { h->comments.at, h->comments.at + h->comments.n, 0 };
    csv_text  line, key, value;
    char      patient[256] = "";
    while (csv_line(&l, &line))
        if (csv_key(line, &key, &value) && csv_is(key, "patient")) cut_text(value, patient, sizeof patient);
    shn_deid_patient(deid, patient);
}

static shn_status deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err)
{
    csv_head *h = shn_alloc(1, sizeof *h);
    scrub     s = { deid, out, err };
    if (!h) return shn_fail_nomem(err, WHERE);
    shn_status st = csv_head_parse(in->bytes, in->n_bytes, h, err);
    if (st == SHN_OK) {
        csv_lines l = { h->comments.at, h->comments.at + h->comments.n, 0 };
        csv_text  line;
        name_patient(h, deid);
        while (st == SHN_OK && csv_line(&l, &line)) st = scrub_line(&s, line, l.number);
        const char *names = h->comments.at + h->comments.n;
        if (st == SHN_OK) st = put(&s, names, (size_t)((const char *)in->bytes + in->n_bytes - names));
    }
    free(h);
    return st;
}

const shn_reader shn_reader_csv = { .name = "csv", .title = "CSV with a stated layout", .recognises = csv_recognises, .read = read_csv, .deidentify = deidentify };
