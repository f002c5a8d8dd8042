#include "cli/text_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "shinden/sentences.h"
#include "shinden/text.h"

static const char where[] = "text.encode";
static const size_t LINES_BYTES_MAX = (size_t)1 << 30;

void text_list_free(text_list *list)
{
    for (size_t i = 0; i < list->n; i++) free(list->items[i]);
    free(list->items);
    memset(list, 0, sizeof *list);
}

shn_status text_list_add(text_list *list, const char *text, shn_error *err)
{
    if (!*text) return SHN_OK;
    if (shn_grow(&list->items, &list->capacity, list->n + 1, sizeof *list->items) != 0) return shn_fail_nomem(err, where);
    list->items[list->n] = shn_text_nfc(text, err);
    if (!list->items[list->n]) return err ? err->status : SHN_FORMAT;
    list->n++;
    return SHN_OK;
}

static shn_status add_finding(text_list *list, const shn_registry *reg, const shn_finding *f, text_choice choice, shn_error *err)
{
    char text[SHN_FINDING_TEXT_MAX];
    for (int form = SHN_TEXT_CODE; form <= SHN_TEXT_NAME_CRITERION; form++)
        for (int japanese = 0; japanese < 2; japanese++) {
            if (!(choice.forms >> form & 1) || !(choice.languages >> japanese & 1)) continue;
            if (!shn_finding_text(reg, f, (shn_text_form)form, japanese, text))
                return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "finding '%s': a text of more than %d bytes", f->id, SHN_FINDING_TEXT_MAX - 1);
            const shn_status st = text_list_add(list, text, err);
            if (st != SHN_OK) return st;
        }
    return SHN_OK;
}

static shn_status add_none(text_list *list, text_choice choice, shn_error *err)
{
    shn_status st = SHN_OK;
    for (int japanese = 0; st == SHN_OK && japanese < 2; japanese++)
        if (choice.languages >> japanese & 1) st = text_list_add(list, shn_text_none(japanese), err);
    return st;
}

shn_status text_list_findings(text_list *list, const shn_registry *reg, text_choice choice, int only, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; st == SHN_OK && i < shn_registry_size(reg); i++)
        if (only < 0 || *shn_registry_codes(reg, (shn_coding)only, i)) st = add_finding(list, reg, shn_registry_at(reg, i), choice, err);
    return st == SHN_OK ? add_none(list, choice, err) : st;
}

shn_status text_list_lines(text_list *list, const char *path, shn_error *err)
{
    uint8_t *bytes = NULL;
    size_t   n = 0, number = 0;
    shn_status st = shn_file_read(path, LINES_BYTES_MAX, &bytes, &n, err);
    if (st != SHN_OK) return st;
    if (memchr(bytes, 0, n)) st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, where, "%s holds a NUL byte; it must be UTF-8 text", path);
    for (char *line = (char *)bytes, *next; st == SHN_OK && line; line = next) {
        next = strchr(line, '\n');
        number++;
        if (next) *next++ = 0;
        const size_t length = strlen(line);
        if (length && line[length - 1] == '\r') line[length - 1] = 0;
        st = text_list_add(list, line, err);
        if (st != SHN_OK) shn_error_prefix(err, "%s line %zu", path, number);
    }
    free(bytes);
    return st;
}

/* ---- cohorts */

/** The names of a record's findings, joined; owned by the caller, NULL when out of memory. */
static char *joined(const shn_cohort *c, const char *const *name, size_t record, const char *separator, const char *none)
{
    const uint8_t *label = shn_cohort_labels(c, record), *known = shn_cohort_known(c, record);
    const size_t   K = shn_cohort_n_findings(c);
    size_t size = strlen(none) + 1;
    for (size_t k = 0; k < K; k++) size += label[k] && known[k] ? strlen(name[k]) + strlen(separator) : 0;
    char *text = shn_alloc(size, 1), *p = text;
    for (size_t k = 0; text && k < K; k++)
        if (label[k] && known[k]) p += sprintf(p, "%s%s", p > text ? separator : "", name[k]);
    if (text && p == text) strcpy(text, none);
    return text;
}

static int compare_texts(const void *a, const void *b)
{
    char *const *x = *(char *const *const *)a, *const *y = *(char *const *const *)b;
    const int order = strcmp(*x, *y);
    return order ? order : x < y ? -1 : x > y;
}

shn_status text_list_unique(text_list *list, shn_error *err)
{
    char ***order = shn_alloc(list->n, sizeof *order);
    if (!order) return shn_fail_nomem(err, where);
    for (size_t i = 0; i < list->n; i++) order[i] = &list->items[i];
    qsort(order, list->n, sizeof *order, compare_texts);
    for (size_t i = 1, kept = 0; i < list->n; i++) {
        if (strcmp(*order[i], *order[kept]) != 0) kept = i;
        else {
            free(*order[i]);
            *order[i] = NULL;
        }
    }
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i]) list->items[n++] = list->items[i];
    list->n = n;
    free(order);
    return SHN_OK;
}

static shn_status add_records(text_list *list, const shn_cohort *c, const char *const *name, const char *separator, const char *none, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t r = 0, next = 4096; st == SHN_OK && r < shn_cohort_size(c); r++) {
        char *text = joined(c, name, r, separator, none);
        st = text ? text_list_add(list, text, err) : shn_fail_nomem(err, where);
        free(text);
        if (st == SHN_OK && list->n >= next) {          /* large cohorts have few distinct sets of findings */
            st = text_list_unique(list, err);
            next = 2 * list->n + 4096;
        }
    }
    return st;
}

/** The findings' texts in one form and language, as training calls them. */
static shn_status add_joined(text_list *list, const shn_cohort *c, shn_text_form form, int japanese, shn_error *err)
{
    const size_t K = shn_cohort_n_findings(c);
    char       (*text)[SHN_FINDING_TEXT_MAX] = shn_alloc(K, sizeof *text);
    const char **name = shn_alloc(K, sizeof *name);
    shn_status   st = text && name ? SHN_OK : shn_fail_nomem(err, where);
    for (size_t k = 0; st == SHN_OK && k < K; k++) {
        name[k] = text[k];
        if (!shn_finding_text(shn_registry_builtin(), shn_cohort_finding(c, k), form, japanese, text[k]))
            st = shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "finding '%s': a text of more than %d bytes", shn_cohort_finding_id(c, k), SHN_FINDING_TEXT_MAX - 1);
    }
    if (st == SHN_OK) st = add_records(list, c, name, japanese ? "、" : ", ", shn_text_none(japanese), err);
    free(text);
    free(name);
    return st;
}

shn_status text_list_cohort(text_list *list, const shn_cohort *c, text_choice choice, text_choice joined, int reports, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t k = 0; st == SHN_OK && k < shn_cohort_n_findings(c); k++)
        st = add_finding(list, shn_registry_builtin(), shn_cohort_finding(c, k), choice, err);
    if (st == SHN_OK) st = add_none(list, choice, err);
    for (int form = SHN_TEXT_CODE; form <= SHN_TEXT_NAME_CRITERION; form++)
        for (int japanese = 0; st == SHN_OK && japanese < 2; japanese++)
            if ((joined.forms >> form & 1) && (joined.languages >> japanese & 1)) st = add_joined(list, c, (shn_text_form)form, japanese, err);
    for (size_t r = 0; reports && st == SHN_OK && r < shn_cohort_size(c); r++) st = text_list_add(list, shn_cohort_report(c, r), err);
    return st;
}

shn_status text_list_sentences(text_list *list, const shn_cohort *c, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t r = 0, next = list->n + 4096; st == SHN_OK && r < shn_cohort_size(c); r++) {
        shn_sentences s;
        st = shn_sentences_split(shn_cohort_report(c, r), &s, err);
        if (st != SHN_OK) shn_error_prefix(err, "record '%.60s'", shn_cohort_id(c, r));
        for (size_t i = 0; st == SHN_OK && i < s.n; i++) st = text_list_add(list, s.text[i], err);
        shn_sentences_free(&s);
        if (st == SHN_OK && list->n >= next) {          /* reports repeat themselves */
            st = text_list_unique(list, err);
            next = 2 * list->n + 4096;
        }
    }
    return st;
}
