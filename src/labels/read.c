/**
 * Reads a registry table and refuses what would later give wrong labels: an id or code that stands for two findings, a
 * parent that is not there, a circle of parents, a mistyped SNOMED CT code (caught by its check digit).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "labels/registry.h"

typedef struct columns {
#define X(name) int name;
    SHN_REGISTRY_COLUMNS(X)
#undef X
    int flags;
} columns;

typedef struct flag_word { const char *word; unsigned flag; } flag_word;
static const flag_word flag_words[] = {
    { "ubiquitous", SHN_FINDING_UBIQUITOUS }, { "urgent", SHN_FINDING_URGENT }, { "clinical", SHN_FINDING_CLINICAL },
};

static shn_status find_columns(const shn_csv *csv, columns *at, shn_error *err)
{
    size_t col;
    for (size_t c = 0; c < shn_csv_columns(csv); c++) {
        const char *name = shn_csv_name(csv, c);
        int known = strcmp(name, "flags") == 0 || strcmp(name, "note") == 0;
#define X(field) known |= strcmp(name, #field) == 0;
        SHN_REGISTRY_COLUMNS(X)
#undef X
        if (!known)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "registry",
                            "line 1, column %zu: no such registry column '%.60s'; see docs/findings.md ('note' is free)", c + 1, name);
    }
    const char *const required[] = { "id", "name_en", "name_ja" };
    for (size_t i = 0; i < 3; i++) {
        const shn_status st = shn_csv_need(csv, required[i], &col, err);
        if (st != SHN_OK) return st;
    }
#define X(field) at->field = shn_csv_column(csv, #field);
    SHN_REGISTRY_COLUMNS(X)
#undef X
    at->flags = shn_csv_column(csv, "flags");
    return SHN_OK;
}

static shn_status bad_cell(const shn_csv *csv, size_t row, int col, shn_error *err, const char *what, const char *item, size_t n)
{
    return shn_csv_fail(csv, row, (size_t)col, err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "'%.*s' %s", (int)(n < 80 ? n : 80), item, what);
}

static shn_status read_flags(const shn_csv *csv, size_t row, int col, unsigned *flags, shn_error *err)
{
    size_t n;
    *flags = 0;
    if (col < 0) return SHN_OK;
    const char *rest = shn_csv_cell(csv, row, (size_t)col);
    for (const char *item; (item = shn_list_next(&rest, &n)) != NULL;) {
        size_t k = 0;
        while (k < 3 && (strlen(flag_words[k].word) != n || memcmp(flag_words[k].word, item, n) != 0)) k++;
        if (k == 3) return bad_cell(csv, row, col, err, "is no flag; use ubiquitous, urgent, clinical", item, n);
        *flags |= flag_words[k].flag;
    }
    return SHN_OK;
}

static shn_status check_row(const shn_csv *csv, size_t row, const columns *at, const shn_finding *f, shn_error *err)
{
    size_t n;
    if (!shn_code_valid(SHN_CODE_ID, f->id, strlen(f->id)))
        return bad_cell(csv, row, at->id, err, "is no id; use a-z, 0-9 and _, a letter first, at most 63", f->id, strlen(f->id));
    if (!*f->name_en || !*f->name_ja)
        return bad_cell(csv, row, *f->name_en ? at->name_ja : at->name_en, err, "has no name here; both languages are needed", f->id, strlen(f->id));
    const char *rest = f->snomed;
    for (const char *code; (code = shn_list_next(&rest, &n)) != NULL;)
        if (!shn_snomed_valid(code, n)) return bad_cell(csv, row, at->snomed, err, "is no SNOMED CT code (digits or check digit)", code, n);
    rest = f->minnesota;
    for (const char *code; (code = shn_list_next(&rest, &n)) != NULL;)
        if (!shn_minnesota_valid(code, n)) return bad_cell(csv, row, at->minnesota, err, "is no Minnesota code; they read 7-1-1 or 9-2", code, n);
    if (strchr(f->scp, ';')) return bad_cell(csv, row, at->scp, err, "is a list; a finding is one PTB-XL statement", f->scp, strlen(f->scp));
    if (*f->ja_source && strcmp(f->ja_source, "vocabulary") != 0 && strcmp(f->ja_source, "disease_names") != 0 &&
        strcmp(f->ja_source, "unchecked") != 0)
        return bad_cell(csv, row, at->ja_source, err, "is no source; use vocabulary, disease_names, unchecked", f->ja_source, strlen(f->ja_source));
    return SHN_OK;
}

static shn_status read_rows(shn_registry *reg, const columns *at, shn_error *err)
{
    for (size_t row = 0; row < reg->n - reg->n_base; row++) {
        shn_finding *f = &reg->owned_findings[reg->n_base + row];
#define X(field) f->field = at->field < 0 ? "" : shn_csv_cell(reg->csv, row, (size_t)at->field);
        SHN_REGISTRY_COLUMNS(X)
#undef X
        shn_status st = read_flags(reg->csv, row, at->flags, &f->flags, err);
        if (st == SHN_OK) st = check_row(reg->csv, row, at, f, err);
        if (st != SHN_OK) return st;
    }
    return SHN_OK;
}

/** Where a finding stands, for messages. */
static void name_place(const shn_registry *reg, size_t finding, char *out, size_t size)
{
    if (finding < reg->n_base) snprintf(out, size, "is already that of '%s' in the built-in registry", reg->findings[finding].id);
    else
        snprintf(out, size, "is already that of '%s', line %zu", reg->findings[finding].id, shn_csv_line(reg->csv, finding - reg->n_base));
}

/** Each id and each code of a system belongs to one finding. The table up to here is a registry of its own. */
static shn_status check_unique(const shn_registry *reg, const columns *at, shn_error *err)
{
    const int column[SHN_CODE_COUNT] = {
#define X(tag, field, search) at->field,
        SHN_CODINGS(X)
#undef X
    };
    for (size_t row = 0; row < reg->n - reg->n_base; row++) {
        shn_registry before = *reg;
        before.n = reg->n_base + row;
        for (int coding = 0; coding < SHN_CODE_COUNT; coding++) {
            size_t      n;
            const char *rest = shn_registry_codes(reg, (shn_coding)coding, before.n);
            for (const char *code; (code = shn_list_next(&rest, &n)) != NULL;) {
                char copy[256];
                if (n >= sizeof copy) return bad_cell(reg->csv, row, column[coding], err, "... is longer than 255 bytes", code, n);
                memcpy(copy, code, n);
                copy[n] = '\0';
                const int other = shn_registry_map(&before, (shn_coding)coding, copy);
                if (other >= 0) {
                    char what[160];
                    name_place(reg, (size_t)other, what, sizeof what);
                    return bad_cell(reg->csv, row, column[coding], err, what, code, n);
                }
            }
        }
    }
    return SHN_OK;
}

static shn_status resolve_parents(shn_registry *reg, const columns *at, shn_error *err)
{
    for (size_t row = 0; row < reg->n - reg->n_base; row++) {
        size_t      n, k = 0;
        int16_t    *parents = reg->owned_parents[reg->n_base + row];
        const char *rest = reg->findings[reg->n_base + row].parents;
        for (size_t i = 0; i < SHN_FINDING_PARENTS_MAX; i++) parents[i] = -1;
        for (const char *item; (item = shn_list_next(&rest, &n)) != NULL;) {
            char id[SHN_FINDING_ID_MAX + 1] = "";
            if (n <= SHN_FINDING_ID_MAX) memcpy(id, item, n);
            const int parent = shn_registry_find(reg, id);
            if (parent < 0) return bad_cell(reg->csv, row, at->parents, err, "is no finding of this table", item, n);
            if (k == SHN_FINDING_PARENTS_MAX)
                return shn_csv_fail(reg->csv, row, (size_t)at->parents, err, SHN_RANGE, SHN_REASON_LIMIT, "more than %d parents", SHN_FINDING_PARENTS_MAX);
            parents[k++] = (int16_t)parent;
        }
    }
    return SHN_OK;
}

/** Takes away, round by round, findings whose parents are all taken; what stays lies on or below a circle. */
static shn_status check_acyclic(const shn_registry *reg, const columns *at, shn_error *err)
{
    unsigned char *taken = shn_alloc(reg->n, 1);
    size_t         n_taken = 0, before;
    if (!taken) return shn_fail_nomem(err, "registry");
    do {
        before = n_taken;
        for (size_t i = 0; i < reg->n; i++) {
            int ready = !taken[i];
            for (size_t k = 0; ready && k < SHN_FINDING_PARENTS_MAX && reg->parents[i][k] >= 0; k++) ready = taken[reg->parents[i][k]];
            if (!ready) continue;
            taken[i] = 1;
            n_taken++;
        }
    } while (n_taken != before);
    size_t i = 0;
    while (i < reg->n && taken[i]) i++;
    free(taken);
    if (i == reg->n) return SHN_OK;
    return bad_cell(reg->csv, i - reg->n_base, at->parents, err, "closes a circle; a finding cannot be its own superset", reg->findings[i].parents,
                    strlen(reg->findings[i].parents));                  /* the built-in ones lie below no user's row: it is one of these */
}

static shn_status name_version(shn_registry *reg, const uint8_t *bytes, size_t n_bytes, const char *release, shn_error *err)
{
    uint8_t digest[32];
    char    hex[65];
    const size_t size = strlen(release) + 14;
    reg->owned_version = shn_alloc(size, 1);
    if (!reg->owned_version) return shn_fail_nomem(err, "registry");
    shn_sha256_of(bytes, n_bytes, digest);
    shn_sha256_hex(digest, hex);
    snprintf(reg->owned_version, size, "%s.%.12s", release, hex);
    reg->version = reg->owned_version;
    return SHN_OK;
}

/** Room for what is added to another registry (NULL: none) and that one's rows first. */
static shn_status begin_with(shn_registry *reg, const shn_registry *base, shn_error *err)
{
    const size_t n_rows = shn_csv_rows(reg->csv);
    reg->n_base = base ? base->n : 0;
    reg->n = reg->n_base + n_rows;
    if (n_rows == 0) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "registry", "no rows below the header; a table needs one finding at least");
    if (reg->n > SHN_FINDINGS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "registry", "%zu findings; a registry has at most %d", reg->n, SHN_FINDINGS_MAX);
    reg->findings = reg->owned_findings = shn_alloc(reg->n, sizeof *reg->owned_findings);
    reg->owned_parents = shn_alloc(reg->n, sizeof *reg->owned_parents);
    reg->parents = (const shn_parent_row *)reg->owned_parents;
    if (!reg->findings || !reg->parents) return shn_fail_nomem(err, "registry");
    for (size_t i = 0; i < reg->n_base; i++) {
        reg->owned_findings[i] = base->findings[i];
        memcpy(reg->owned_parents[i], base->parents[i], sizeof base->parents[i]);
    }
    return SHN_OK;
}

shn_status shn_registry_parse(const uint8_t *bytes, size_t n_bytes, const shn_registry *base, const char *release, shn_registry **out,
                              shn_error *err)
{
    columns       at = { 0 };
    shn_registry *reg = shn_alloc(1, sizeof *reg);
    *out = NULL;
    if (!reg) return shn_fail_nomem(err, "registry");
    shn_status st = shn_csv_open(bytes, n_bytes, ',', &reg->csv, err);
    if (st == SHN_OK) st = find_columns(reg->csv, &at, err);
    if (st != SHN_OK) goto cleanup;
    st = begin_with(reg, base, err);
    if (st == SHN_OK) st = read_rows(reg, &at, err);
    if (st == SHN_OK) st = check_unique(reg, &at, err);
    if (st == SHN_OK) st = resolve_parents(reg, &at, err);
    if (st == SHN_OK) st = check_acyclic(reg, &at, err);
    if (st == SHN_OK) st = name_version(reg, bytes, n_bytes, release, err);
    if (st != SHN_OK) goto cleanup;
    *out = reg;
    reg = NULL;
cleanup:
    shn_registry_free(reg);
    return st;
}

void shn_registry_free(shn_registry *reg)
{
    if (!reg) return;
    free(reg->owned_findings);
    free(reg->owned_parents);
    free(reg->owned_version);
    shn_csv_free(reg->csv);
    free(reg);
}
