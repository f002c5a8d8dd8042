/** Small things that the reader and the look-ups share: lists in a cell, the check digit of SNOMED CT, names of codings. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "labels/registry.h"

static int is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

const char *shn_list_next(const char **rest, size_t *n)
{
    const char *p = *rest;
    for (;;) {
        while (*p == ';' || is_blank(*p)) p++;
        if (!*p) break;
        const char *end = p + strcspn(p, ";");
        *rest = end;
        while (is_blank(end[-1])) end--;
        *n = (size_t)(end - p);
        return p;
    }
    *rest = p;
    *n = 0;
    return NULL;
}

/* Verhoeff 1969: multiplication in the dihedral group D5 and the permutation (1 5 8 9 4 2 7 0)(3 6), as SNOMED CT's
   Release File Specification (section "Check-digit") gives them. */
int shn_snomed_valid(const char *code, size_t n)
{
    static const unsigned char d5[10][10] = {
        { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, { 1, 2, 3, 4, 0, 6, 7, 8, 9, 5 }, { 2, 3, 4, 0, 1, 7, 8, 9, 5, 6 },
        { 3, 4, 0, 1, 2, 8, 9, 5, 6, 7 }, { 4, 0, 1, 2, 3, 9, 5, 6, 7, 8 }, { 5, 9, 8, 7, 6, 0, 4, 3, 2, 1 },
        { 6, 5, 9, 8, 7, 1, 0, 4, 3, 2 }, { 7, 6, 5, 9, 8, 2, 1, 0, 4, 3 }, { 8, 7, 6, 5, 9, 3, 2, 1, 0, 4 },
        { 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 },
    };
    static const unsigned char next[10] = { 1, 5, 7, 6, 2, 8, 3, 0, 9, 4 };
    unsigned check = 0;
    if (n < 6 || n > 18 || code[0] == '0') return 0;
    for (size_t i = 0; i < n; i++) {
        const char c = code[n - 1 - i];
        if (c < '0' || c > '9') return 0;
        unsigned digit = (unsigned)(c - '0');
        for (size_t k = 0; k < i % 8; k++) digit = next[digit];
        check = d5[check][digit];
    }
    return check == 0;
}

/* Prineas, Crow, Zhang 2010, "The Minnesota Code Manual of Electrocardiographic Findings", 2nd edition: nine categories, the highest number of
   each, and at most eight below a number. */
int shn_minnesota_valid(const char *code, size_t n)
{
    static const int numbers[] = { 0, 3, 5, 4, 4, 4, 8, 10, 9, 8 };
    char  copy[8];
    int   number = 0, third = 0, end[2] = { 0 };
    if (n < 3 || n >= sizeof copy || code[0] < '1' || code[0] > '9') return 0;
    memcpy(copy, code, n);
    copy[n] = '\0';
    if (strspn(copy, "0123456789-") != n || strstr(copy, "--") || strstr(copy, "-0")) return 0;     /* %d would take signs and leading zeros */
    const int read = sscanf(copy + 1, "-%d%n-%d%n", &number, &end[0], &third, &end[1]);
    if (read < 1 || number < 1 || number > numbers[code[0] - '0']) return 0;
    return read == 1 ? 1 + (size_t)end[0] == n : 1 + (size_t)end[1] == n && third >= 1 && third <= 8;
}

static int id_is_well_formed(const char *id, size_t n)
{
    if (n == 0 || n > SHN_FINDING_ID_MAX || id[0] < 'a' || id[0] > 'z') return 0;
    for (size_t i = 0; i < n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_", id[i])) return 0;
    return 1;
}

int shn_code_valid(shn_coding coding, const char *code, size_t n)
{
    if (coding == SHN_CODE_ID) return id_is_well_formed(code, n);
    if (coding == SHN_CODE_SNOMED) return shn_snomed_valid(code, n);
    if (coding == SHN_CODE_MINNESOTA) return shn_minnesota_valid(code, n);
    return n > 0;
}

static const char *const coding_names[] = {
#define X(tag, field, search) #field,
    SHN_CODINGS(X)
#undef X
};

const char *shn_coding_names(void)
{
#define X(tag, field, search) " " #field
    return (SHN_CODINGS(X)) + 1;
#undef X
}

const char *shn_coding_name(shn_coding coding) { return (size_t)coding < SHN_CODE_COUNT ? coding_names[coding] : NULL; }

int shn_coding_from_name(const char *name)
{
    for (int i = 0; i < SHN_CODE_COUNT; i++)
        if (strcmp(coding_names[i], name) == 0) return i;
    return -1;
}

int shn_code_same(shn_coding coding, const char *a, size_t n, const char *b, size_t m)
{
    if (coding == SHN_CODE_MITDB_RHYTHM) {
        if (n && *a == '(') a++, n--;
        if (m && *b == '(') b++, m--;
    }
    if (coding != SHN_CODE_LUDB) return n == m && memcmp(a, b, n) == 0;
    while (n && strchr(" .", a[n - 1])) n--;
    while (m && strchr(" .", b[m - 1])) m--;
    return n == m && strncasecmp(a, b, n) == 0;
}
