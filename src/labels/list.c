/** Small things that the reader and the look-ups share: lists in a cell, the check digit of SNOMED CT, names of codings. */
#include <string.h>

#include "shinden/findings.h"

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

static const char *const coding_names[] = { "id", "scp", "snomed", "cinc", "ludb" };

const char *shn_coding_name(shn_coding coding)
{
    return (size_t)coding < sizeof coding_names / sizeof *coding_names ? coding_names[coding] : NULL;
}

int shn_coding_from_name(const char *name)
{
    for (size_t i = 0; i < sizeof coding_names / sizeof *coding_names; i++)
        if (strcmp(coding_names[i], name) == 0) return (int)i;
    return -1;
}
