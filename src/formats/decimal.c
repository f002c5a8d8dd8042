#include "formats/decimal.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

static const double powers[23] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

static int is_digit(char c) { return (unsigned char)(c - '0') < 10; }
static int is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/** Rounds what the short way cannot: many digits, large exponents. */
static int slow(const char *p, size_t n, char point, double *out)
{
    char copy[SHN_DECIMAL_BYTES_MAX + 1];
    if (n > SHN_DECIMAL_BYTES_MAX) return 0;
    memcpy(copy, p, n);
    copy[n] = '\0';
    char *sign = memchr(copy, point, n);
    if (sign) *sign = '.';
    *out = strtod(copy, NULL);
    return isfinite(*out);
}

const char *shn_decimal(const char *p, const char *end, char point, double *out)
{
    const char *start = p;
    uint64_t    mantissa = 0;
    int         n_digits = 0, scale = 0, negative = 0, exponent = 0;
    if (p < end && (*p == '-' || *p == '+')) negative = *p++ == '-';
    const char *first = p;
    for (; p < end && is_digit(*p); p++) {
        if (n_digits < 18) mantissa = mantissa * 10 + (uint64_t)(*p - '0');
        n_digits++;
    }
    if (p - first <= 15 && p > first && (p == end || (*p != point && *p != 'e' && *p != 'E'))) {   /* an integer: the common case */
        *out = negative ? -(double)mantissa : (double)mantissa;
        return p;
    }
    int has_digit = p > first;
    if (p < end && *p == point) {
        for (p++; p < end && is_digit(*p); p++) {
            if (n_digits < 18) mantissa = mantissa * 10 + (uint64_t)(*p - '0'), scale++;
            n_digits++;
            has_digit = 1;
        }
    }
    if (!has_digit) return NULL;
    if (p < end && (*p == 'e' || *p == 'E')) {
        const char *q = p + 1;
        int minus = 0;
        if (q < end && (*q == '-' || *q == '+')) minus = *q++ == '-';
        if (q == end || !is_digit(*q)) return NULL;
        for (; q < end && is_digit(*q); q++)
            if (exponent < 10000) exponent = exponent * 10 + (*q - '0');
        if (minus) exponent = -exponent;
        p = q;
    }
    if (p - start > SHN_DECIMAL_BYTES_MAX) return NULL;
    exponent -= scale;
    /* both factors are exact, so one rounding remains (Clinger 1990) */
    if (n_digits <= 18 && mantissa <= (UINT64_C(1) << 53) && exponent >= -22 && exponent <= 22) {
        const double m = (double)mantissa, v = exponent < 0 ? m / powers[-exponent] : m * powers[exponent];
        *out = negative ? -v : v;
        return p;
    }
    return slow(start, (size_t)(p - start), point, out) ? p : NULL;
}

int shn_decimal_whole(const char *p, const char *end, double *out)
{
    while (p < end && is_blank(*p)) p++;
    p = shn_decimal(p, end, '.', out);
    while (p && p < end && is_blank(*p)) p++;
    return p == end;
}

size_t shn_list_count(const char *text, size_t n, shn_list_kind kind)
{
    size_t count = 0, last = 0;
    if (kind == SHN_LIST_SPACES) {
        int before = 1;
        for (size_t i = 0; i < n; i++) {
            const int blank = is_blank(text[i]);
            count += (size_t)(before & !blank);
            before = blank;
        }
        return count;
    }
    for (size_t i = 0; i < n; i++)
        if (text[i] == ',') count++, last = i + 1;
    while (last < n && is_blank(text[last])) last++;
    return count + (last < n);
}

static shn_status bad(const char *p, const char *end, size_t index, const char *where, shn_error *err)
{
    size_t n = 0;
    while (p + n < end && n < 24 && !is_blank(p[n]) && p[n] != ',') n++;
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, where, "sample %zu is no number: '%.*s'", index, (int)n, p);
}

/** Where the place of number `first` begins. */
static const char *skip_to(const char *p, const char *end, shn_list_kind kind, size_t first)
{
    for (size_t i = 0; i < first; i++) {
        if (kind == SHN_LIST_COMMAS) {
            const char *comma = memchr(p, ',', (size_t)(end - p));
            p = comma ? comma + 1 : end;
        } else {
            while (p < end && is_blank(*p)) p++;
            while (p < end && !is_blank(*p)) p++;
        }
    }
    return p;
}

shn_status shn_list_decode(const char *text, size_t n, shn_list_kind kind, size_t first, size_t n_out, double factor, double offset, float *out,
                           int *whole, const char *where, shn_error *err)
{
    const char *end = text + n, *p = skip_to(text, end, kind, first);
    int         integers = 1;
    for (size_t i = 0; i < n_out; i++) {
        double v;
        while (p < end && is_blank(*p)) p++;
        if (kind == SHN_LIST_COMMAS && (p == end || *p == ',')) {
            out[i] = NAN;
            p += p < end;
            continue;
        }
        const char *q = shn_decimal(p, end, '.', &v);
        if (!q) return bad(p, end, first + i, where, err);
        if (kind == SHN_LIST_COMMAS) {
            while (q < end && is_blank(*q)) q++;
            if (q < end && *q != ',') return bad(p, end, first + i, where, err);
            q += q < end;
        } else if (q < end && !is_blank(*q)) return bad(p, end, first + i, where, err);
        integers &= v >= -2147483648.0 && v <= 2147483647.0 && v == (double)(int64_t)v;
        const double mv = offset + factor * v;
        if (!(mv >= -3e38 && mv <= 3e38)) return bad(p, end, first + i, where, err);
        out[i] = (float)mv;
        p = q;
    }
    if (whole) *whole = integers;
    return SHN_OK;
}
