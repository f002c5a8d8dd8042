/**
 * Whether a registry keeps its promises, examined from its strings and nothing else: a table that was read has been refused for these faults, and
 * the compiled-in one was checked when it was built, but whoever relies on it can see for himself.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "labels/registry.h"

static void fault(shn_registry_faults *out, size_t *count, const char *fmt, ...) SHN_PRINTF(3, 4);

static void fault(shn_registry_faults *out, size_t *count, const char *fmt, ...)
{
    va_list args;
    ++*count;
    if (*out->first) return;
    va_start(args, fmt);
    vsnprintf(out->first, sizeof out->first, fmt, args);
    va_end(args);
}

/** Index of the id of n bytes, -1. */
static int find(const shn_registry *reg, const char *id, size_t n)
{
    for (size_t i = 0; i < reg->n; i++)
        if (strlen(reg->findings[i].id) == n && memcmp(reg->findings[i].id, id, n) == 0) return (int)i;
    return -1;
}

static void check_names(const shn_registry *reg, size_t i, shn_registry_faults *out)
{
    const shn_finding *f = &reg->findings[i];
    if (!*f->name_en || !*f->name_ja) fault(out, &out->name_missing, "%.63s: no %s name", f->id, *f->name_en ? "Japanese" : "English");
    for (size_t k = 0; k < i; k++) {
        const shn_finding *g = &reg->findings[k];
        if (strcmp(f->name_en, g->name_en) == 0 || strcmp(f->name_ja, g->name_ja) == 0)
            fault(out, &out->name_twice, "%.63s and %.63s have one name", g->id, f->id);
    }
    out->n_ja_unchecked += strcmp(f->ja_source, "vocabulary") != 0 && strcmp(f->ja_source, "disease_names") != 0;
}

/** 1 if the code stands at an earlier finding, or earlier at this one. */
static int stands_before(const shn_registry *reg, shn_coding coding, size_t finding, const char *here, size_t n)
{
    for (size_t i = 0; i <= finding; i++) {
        const char *rest = shn_registry_codes(reg, coding, i);
        size_t      m;
        for (const char *code; (code = shn_list_next(&rest, &m)) != NULL && (i < finding || code != here);)
            if (shn_code_same(coding, code, m, here, n)) return 1;
    }
    return 0;
}

static void check_codes(const shn_registry *reg, size_t i, shn_coding coding, shn_registry_faults *out)
{
    const char *rest = shn_registry_codes(reg, coding, i), *id = reg->findings[i].id;
    size_t      n;
    for (const char *code; (code = shn_list_next(&rest, &n)) != NULL;) {
        out->n_codes[coding]++;
        if (!shn_code_valid(coding, code, n))
            fault(out, &out->code_malformed, "%.63s: '%.*s' is no %s code", id, (int)(n < 40 ? n : 40), code, shn_coding_name(coding));
        if (stands_before(reg, coding, i, code, n))
            fault(out, &out->code_twice, "%.63s: %s '%.*s' stands twice", id, shn_coding_name(coding), (int)(n < 40 ? n : 40), code);
    }
}

static void check_parents(const shn_registry *reg, size_t i, shn_registry_faults *out)
{
    const char *rest = reg->findings[i].parents;
    size_t      n, k = 0;
    for (const char *item; (item = shn_list_next(&rest, &n)) != NULL; k++) {
        const int parent = find(reg, item, n);
        out->n_parents++;
        if (parent < 0 || k >= SHN_FINDING_PARENTS_MAX || reg->parents[i][k] != parent)
            fault(out, &out->parent_missing, "%.63s: parent '%.*s' is no finding", reg->findings[i].id, (int)(n < 40 ? n : 40), item);
    }
}

/** Findings whose parents are all free of circles are free themselves; what stays lies on or below one. */
static void check_circles(const shn_registry *reg, shn_registry_faults *out)
{
    unsigned char free_of[SHN_FINDINGS_MAX] = { 0 };
    for (int more = 1; more;) {
        more = 0;
        for (size_t i = 0; i < reg->n; i++) {
            int ready = !free_of[i];
            for (size_t k = 0; ready && k < SHN_FINDING_PARENTS_MAX && reg->parents[i][k] >= 0; k++) ready = free_of[reg->parents[i][k]];
            if (!ready) continue;
            free_of[i] = 1;
            more = 1;
        }
    }
    for (size_t i = 0; i < reg->n; i++)
        if (!free_of[i]) fault(out, &out->in_circle, "%.63s lies on or below a circle of parents", reg->findings[i].id);
}

void shn_registry_check(const shn_registry *reg, shn_registry_faults *out)
{
    *out = (shn_registry_faults){ .n_findings = reg->n };
    for (size_t i = 0; i < reg->n; i++) {
        check_names(reg, i, out);
        for (int coding = 0; coding < SHN_CODE_COUNT; coding++) check_codes(reg, i, (shn_coding)coding, out);
        check_parents(reg, i, out);
    }
    check_circles(reg, out);
}

int shn_registry_sound(const shn_registry_faults *f)
{
    return !(f->name_missing || f->name_twice || f->code_malformed || f->code_twice || f->parent_missing || f->in_circle);
}
