#include "formats/wfdb/comments.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/** The text after a key such as "Age:" or "<age>:" anywhere in the line, past spaces; NULL if the key is not there. */
static const char *value_of(const char *line, const char *key)
{
    const size_t n = strlen(key);
    for (const char *p = line; *p; p++) {
        if (strncasecmp(p, key, n) != 0 || (p > line && isalpha((unsigned char)p[-1]))) continue;
        const char *q = p + n;
        if (*q == '>') q++;
        while (*q == ' ') q++;
        if (*q != ':') continue;
        q++;
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

/** Day, month, year of "09/11/1984" or "12-May-2020"; 0 if it is neither. */
static int parse_date(const char *s, int *day, int *month, int *year)
{
    static const char *const months[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec" };
    char word[4] = "";
    if (sscanf(s, "%d/%d/%d", day, month, year) == 3) return *day >= 1 && *day <= 31 && *month >= 1 && *month <= 12 && *year > 0 && *year <= 9999;
    if (sscanf(s, "%d-%3[A-Za-z]-%d", day, word, year) != 3) return 0;
    for (*month = 1; *month <= 12; ++*month)
        if (strcasecmp(word, months[*month - 1]) == 0) return *day >= 1 && *day <= 31 && *year > 0 && *year <= 9999;
    return 0;
}

static void take_time(const wfdb_header *h, shn_record_meta *meta)
{
    int day, month, year, hour = 0, minute = 0;
    double second = 0;
    if (!parse_date(h->date, &day, &month, &year)) return;
    snprintf(meta->acquired, sizeof meta->acquired, "%04d-%02d-%02d", year, month, day);
    if (sscanf(h->time, "%d:%d:%lf", &hour, &minute, &second) >= 2 && hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 61)
        snprintf(meta->acquired, sizeof meta->acquired, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, day, hour, minute, (int)second);
}

shn_status wfdb_apply_comments(const wfdb_header *h, shn_record *rec, shn_error *err)
{
    shn_record_meta *meta = shn_record_meta_mut(rec);
    shn_status       st = SHN_OK;
    snprintf(meta->id, sizeof meta->id, "%.127s", h->name);
    take_time(h, meta);
    for (size_t i = 0; i < h->n_comments && st == SHN_OK; i++) {
        take_age(h->comments[i], meta);
        take_sex(h->comments[i], meta);
        st = take_labels(h->comments[i], rec, err);
    }
    return st;
}
