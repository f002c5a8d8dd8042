#include "formats/wfdb/comments.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/**
 * The text after a key such as "Age:" or "<age>:" anywhere in the line, or "age " at its beginning, past spaces; NULL if the key is not there.
 */
static const char *value_of(const char *line, const char *key)
{
    const size_t n = strlen(key);
    for (const char *p = line; *p; p++) {
        if (strncasecmp(p, key, n) != 0 || (p > line && isalnum((unsigned char)p[-1]))) continue;
        const char *q = p + n;
        const int   spaced = p == line && (*q == ' ' || *q == '\t');
        if (*q == '>') q++;
        while (*q == ' ' || *q == '\t') q++;
        if (*q == ':') q++;
        else if (!spaced) continue;
        while (*q == ' ' || *q == '\t') q++;
        return q;
    }
    return NULL;
}

static void take_age(const char *line, shn_record_meta *meta)
{
    const char *v = value_of(line, "age");
    char       *end;
    if (!v || !isdigit((unsigned char)*v)) return;
    const double age = strtod(v, &end);
    if (age >= 0 && age <= 150) meta->age_years = age;
}

static void take_sex(const char *line, shn_record_meta *meta)
{
    const char *v = value_of(line, "sex");
    if (!v) v = value_of(line, "gender");
    if (!v) return;
    const int c = toupper((unsigned char)*v);
    if (c == 'M' || c == 'F') meta->sex = (char)c;
}

/** "Dx: 59118001,164884008" */
static shn_status take_labels(const char *line, shn_record *rec, shn_error *err)
{
    const char *v = value_of(line, "dx");
    shn_status  st = SHN_OK;
    while (v && *v && st == SHN_OK) {
        char   code[64];
        size_t n = strcspn(v, ",");
        const size_t step = n + (v[n] == ',');
        while (n && isspace((unsigned char)v[n - 1])) n--;
        if (n && n < sizeof code) {
            memcpy(code, v, n);
            code[n] = '\0';
            st = shn_record_add_label(rec, code, err);
        }
        v += step;
        while (*v == ' ') v++;
    }
    return st;
}

int wfdb_parse_date(const char *s, int *day, int *month, int *year)
{
    static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec" };
    char word[4] = "";
    if (sscanf(s, "%4d/%4d/%5d", day, month, year) == 3) return *day >= 1 && *day <= 31 && *month >= 1 && *month <= 12 && *year > 0 && *year <= 9999;
    if (sscanf(s, "%4d-%3[A-Za-z]-%5d", day, word, year) != 3) return 0;
    for (*month = 1; *month <= 12; ++*month)
        if (strcasecmp(word, months[*month - 1]) == 0) return *day >= 1 && *day <= 31 && *year > 0 && *year <= 9999;
    return 0;
}

/** "12:33:59.5", "33:59" (minutes and seconds, as header(5) has it): time of day, written as ISO 8601 wants it. 0 if it is none. */
static int parse_time(const char *s, char *out, size_t size)
{
    int    hour = 0, minute = 0;
    double second = 0;
    if (sscanf(s, "%4d:%4d:%lf", &hour, &minute, &second) != 3) {
        hour = 0;
        if (sscanf(s, "%4d:%lf", &minute, &second) != 2) return 0;
    }
    if (!(hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 61)) return 0;
    const int whole = (int)second, ms = (int)((second - whole) * 1000 + 0.5) % 1000;
    const int n = snprintf(out, size, "T%02d:%02d:%02d", hour, minute, whole);
    if (ms) snprintf(out + n, size - (size_t)n, ".%03d", ms);
    return 1;
}

/** The record line's date and time; a time alone stays one ("T12:33:59"), for ISO 8601 can say that. */
static void take_time(const wfdb_header *h, shn_record_meta *meta)
{
    int  day, month, year;
    char date[16] = "", time[16] = "";
    if (wfdb_parse_date(h->date, &day, &month, &year)) snprintf(date, sizeof date, "%04d-%02d-%02d", year % 10000, month % 100, day % 100);
    parse_time(h->time, time, sizeof time);
    snprintf(meta->acquired, sizeof meta->acquired, "%s%s", date, time);
}

/** "ECG date: 01/10/1990" of PTB, where the record line has no date. */
static void take_date(const char *line, shn_record_meta *meta)
{
    const char *v = value_of(line, "ecg date");
    int         day, month, year;
    if (v && !*meta->acquired && wfdb_parse_date(v, &day, &month, &year))
        snprintf(meta->acquired, sizeof meta->acquired, "%04d-%02d-%02d", year % 10000, month % 100, day % 100);
}

/** The first of the keys that the line has, to the end of the line. */
static void take_text(const char *line, const char *const *keys, char *out, size_t size)
{
    for (; *keys && !*out; keys++) {
        const char *v = value_of(line, *keys);
        size_t      n = v ? strlen(v) : 0;
        while (n && isspace((unsigned char)v[n - 1])) n--;
        if (n) snprintf(out, size, "%.*s", n < size ? (int)n : (int)size - 1, v);
    }
}

static void take_who(const char *line, shn_record_meta *meta)
{
    static const char *const patient[] = { "patient id", "patientid", "mrn", NULL }, *const device[] = { "device", "recorder", NULL },
                      *const filters[] = { "filters", "filter", NULL };
    take_text(line, patient, meta->patient, sizeof meta->patient);
    take_text(line, device, meta->device, sizeof meta->device);
    take_text(line, filters, meta->filters, sizeof meta->filters);
}

/** A statement without the spaces and the full stop at its end; words for nothing are none. Also a label, if as_label. */
static shn_status add_statement(const char *text, size_t n, int as_label, shn_record *rec, shn_error *err)
{
    static const char *const nothing[] = { "(none)", "none", "n/a", "no", "unknown", "-" };
    char line[512];
    while (n && (isspace((unsigned char)text[n - 1]) || text[n - 1] == '.')) n--;
    if (n == 0) return SHN_OK;
    snprintf(line, sizeof line, "%.*s", n < sizeof line ? (int)n : (int)sizeof line - 1, text);
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        if (strcasecmp(line, nothing[i]) == 0) return SHN_OK;
    const shn_status st = shn_record_add_statement(rec, line, err);
    return st == SHN_OK && as_label ? shn_record_add_label(rec, line, err) : st;
}

/** "diagnosis X", "<diagnoses>: X  <medications>: Y"; PTB's fields whole, with their names. *opened: a list follows on the next lines. */
static shn_status take_statements(const char *line, int *opened, shn_record *rec, shn_error *err)
{
    static const char *const whole[] = { "reason for admission", "acute infarction (localization)", "former infarction (localization)" };
    static const char *const values[] = { "diagnosis", "diagnoses", "interpretation", "statement", "statements" };
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        const char *v = value_of(line, whole[i]);
        if (v && *v && strncasecmp(v, "n/a", 3) != 0 && strcasecmp(v, "no") != 0 && strcasecmp(v, "unknown") != 0)
            return add_statement(line, strlen(line), 0, rec, err);
    }
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const char *v = value_of(line, values[i]);
        if (!v) continue;
        const char *next = strstr(v, " <");
        *opened = *v == '\0';
        return add_statement(v, next ? (size_t)(next - v) : strlen(v), 0, rec, err);
    }
    return SHN_OK;
}

/** MIT-BIH's first comment: age, sex, recorder's tape numbers, "x1". 1 if it is that. */
static int take_mit_bih(const char *line, shn_record_meta *meta)
{
    int  age, n = 0;
    char sex, first[16], second[16], speed;
    if (sscanf(line, "%4d %c %15s %15s x%c%n", &age, &sex, first, second, &speed, &n) != 5 || n == 0 || (sex != 'M' && sex != 'F')) return 0;
    if (age >= 0 && age <= 150) meta->age_years = age;
    meta->sex = sex;
    return 1;
}

/** MIT-BIH's remarks: sentences broken into lines, after the line of drugs. */
static shn_status add_remarks(const wfdb_header *h, size_t from, shn_record *rec, shn_error *err)
{
    char   text[512];
    size_t used = 0;
    for (size_t i = from; i < h->n_comments && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", used ? " " : "", h->comments[i]);
    return used ? add_statement(text, strlen(text), 0, rec, err) : SHN_OK;
}

shn_status wfdb_apply_comments(const wfdb_header *h, shn_record *rec, shn_error *err)
{
    shn_record_meta *meta = shn_record_meta_mut(rec);
    shn_status       st = SHN_OK;
    int              opened = 0;
    snprintf(meta->id, sizeof meta->id, "%.127s", h->name);
    take_time(h, meta);
    if (h->n_comments && take_mit_bih(h->comments[0], meta)) return add_remarks(h, 2, rec, err);
    for (size_t i = 0; i < h->n_comments && st == SHN_OK; i++) {
        const char *line = h->comments[i];
        if (opened && *line != '<') {
            st = add_statement(line, strlen(line), 1, rec, err);
            continue;
        }
        opened = 0;
        take_age(line, meta);
        take_sex(line, meta);
        take_date(line, meta);
        take_who(line, meta);
        st = take_labels(line, rec, err);
        if (st == SHN_OK) st = take_statements(line, &opened, rec, err);
    }
    return st;
}
