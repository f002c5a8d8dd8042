#include "formats/xml/dates.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"

/** How a date was written: which number comes first, and what stands between. */
typedef struct layout { int year_first, day_first; char between; } layout;

/** At most 4 digits from *p; how many there were. */
static int number(const char **p, int most, int *value)
{
    int n = 0;
    for (*value = 0; n < most && isdigit((unsigned char)**p); n++) *value = 10 * *value + *(*p)++ - '0';
    return n;
}

static int read_with_layout(const char *text, shn_day *out, layout *how)
{
    int n[3], digits[3];
    if (!text) return 0;
    while (isspace((unsigned char)*text)) text++;
    const int compact = strspn(text, "0123456789") == 8;
    for (int i = 0; i < 3; i++) {
        digits[i] = number(&text, compact && i ? 2 : 4, &n[i]);
        if (i == 0) *how = (layout){ .year_first = digits[0] == 4, .between = *text && strchr("-/.", *text) ? *text : '\0' };
        if (i < 2 && !compact && (!how->between || *text++ != how->between)) return 0;
    }
    while (isspace((unsigned char)*text)) text++;
    if (*text || digits[1] < 1 || digits[1] > 2) return 0;
    if (how->year_first) {
        if (digits[2] < 1 || digits[2] > 2) return 0;
        *out = (shn_day){ n[0], n[1], n[2] };
    } else {
        if (digits[0] < 1 || digits[0] > 2 || digits[2] != 4) return 0;
        how->day_first = n[0] > 12;
        *out = how->day_first ? (shn_day){ n[2], n[1], n[0] } : (shn_day){ n[2], n[0], n[1] };
    }
    return shn_day_valid(out);
}

int shn_day_read(const char *text, shn_day *out, int *swapped)
{
    layout    how;
    const int is = read_with_layout(text, out, &how);
    if (swapped) *swapped = is && how.day_first;
    return is;
}

void shn_day_write(const shn_day *day, const char *time, char *out, size_t size)
{
    int hour, minute, second = 0, used = 0, more = 0;
    snprintf(out, size, "%04d-%02d-%02d", day->year, day->month, day->day);
    if (!time || sscanf(time, " %2d:%2d%n", &hour, &minute, &used) < 2) return;
    if (time[used] == ':' && sscanf(time + used, ":%2d%n", &second, &more) < 1) return;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return;
    const size_t n = strlen(out);
    snprintf(out + n, size - n, "T%02d:%02d:%02d", hour, minute, second);
}

shn_status shn_day_shift(const shn_deid *deid, const char *text, char *out, size_t size, shn_error *err)
{
    shn_day day;
    layout  how;
    if (!read_with_layout(text, &day, &how))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "deidentify.date", "a text that is no date");
    const shn_status st = shn_deid_date(deid, &day.year, &day.month, &day.day, err);
    if (st != SHN_OK) return st;
    const char between[2] = { how.between, '\0' };
    if (how.year_first) snprintf(out, size, "%04d%s%02d%s%02d", day.year, between, day.month, between, day.day);
    else if (how.day_first) snprintf(out, size, "%02d%s%02d%s%04d", day.day, between, day.month, between, day.year);
    else snprintf(out, size, "%02d%s%02d%s%04d", day.month, between, day.day, between, day.year);
    return SHN_OK;
}

int shn_text_dated(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (!isdigit((unsigned char)*p) || (p > text && isdigit((unsigned char)p[-1]))) continue;
        const size_t n = strspn(p, "0123456789");
        const char   mark = p[n];
        if (n >= 4) return 1;
        if ((mark == '/' || mark == ':') && isdigit((unsigned char)p[n + 1])) return 1;
        if (mark == '-' && isdigit((unsigned char)p[n + 1]) && p[n + 1 + strspn(p + n + 1, "0123456789")] == '-') return 1;
        if ((mark == '-' || mark == ' ') && isalpha((unsigned char)p[n + 1]) && isalpha((unsigned char)p[n + 2]) && isalpha((unsigned char)p[n + 3]) &&
            (p[n + 4] == mark || p[n + 4] == '.') && isdigit((unsigned char)p[n + 5])) return 1;     /* 30-MAR-2023 */
    }
    return 0;
}
