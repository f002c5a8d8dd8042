/* What a row's source said about its findings. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "base/utf8.h"
#include "data/collection.h"
#include "data/template.h"

enum { LABEL_MAX = 1024 };                      /* bytes of a label with its end: the longest text of an annotation, each byte mended to three */

/** The labels of files have no stated encoding: bytes that are not UTF-8 are U+FFFD to all who read labels. */
typedef struct reading {
    const shn_collection_data *c;
    const shn_entry           *e;
    const shn_registry        *reg;
    shn_row_labels            *out;
    shn_label_fn              *each;
    void                      *context;
    shn_error                 *err;
} reading;

static int map_word(const shn_registry *reg, const shn_map_labels *l, const char *word)
{
    for (size_t i = 0; i < l->words.n; i++)
        if (strcmp(l->words.items[i].from, word) == 0) return shn_registry_find(reg, l->words.items[i].to);
    for (size_t i = 0; i < l->n_codings; i++) {
        const int f = shn_registry_map(reg, l->codings[i], word);
        if (f >= 0) return f;
    }
    return -1;
}

static void name_label(const reading *r, const shn_map_labels *l, const char *text, size_t n)
{
    char word[LABEL_MAX];
    text = shn_trim(text, &n);
    if (n == 0) return;
    shn_utf8_mend(text, n, word, sizeof word);
    const int f = map_word(r->reg, l, word);
    r->out->any_named = 1;
    if (f >= 0) r->out->positive[f] = 1;
    if (r->each) r->each(r->context, r->e, word, 1, f);
}

static void name_list(const reading *r, const shn_map_labels *l, const char *cell, const char *separator)
{
    const size_t step = separator ? strlen(separator) : 0;
    for (const char *end; separator && (end = strstr(cell, separator)) != NULL; cell = end + step) name_label(r, l, cell, (size_t)(end - cell));
    name_label(r, l, cell, strlen(cell));
}

/** {'NORM': 100.0, "SR": 0.0}: the keys; values are likelihoods and do not matter. */
static shn_status name_dict(const reading *r, const shn_map_labels *l, const char *cell, size_t col)
{
    const shn_csv *table = r->c->tables[r->e->table];
    const char *p = cell + strspn(cell, " ");
    if (*p == '{') p++;
    else return shn_csv_fail(table, r->e->row, col, r->err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "not a dictionary {'CODE': number}");
    for (;;) {
        p += strspn(p, " ,");
        if (*p == '}') return SHN_OK;
        const char *end = *p == '\'' || *p == '"' ? strchr(p + 1, *p) : NULL;
        const char *next = end ? strpbrk(end, ",}") : NULL;
        if (!next) return shn_csv_fail(table, r->e->row, col, r->err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "not a dictionary {'CODE': number}");
        name_label(r, l, p + 1, (size_t)(end - p - 1));
        p = next;
    }
}

static shn_status read_column(const reading *r, size_t g)
{
    const shn_map_labels *l = &r->c->map->labels[g];
    const shn_csv        *table = r->c->tables[r->e->table];
    size_t                col;
    shn_status st = shn_csv_need(table, l->column, &col, r->err);
    if (st != SHN_OK) return st;
    const char *cell = shn_csv_cell(table, r->e->row, col);
    size_t      n = strlen(cell);
    shn_trim(cell, &n);
    r->out->answered[g] = n > 0 || l->empty_is_negative;
    if (n == 0) return SHN_OK;
    if (l->python_dict) return name_dict(r, l, cell, col);
    name_list(r, l, cell, l->list);
    return SHN_OK;
}

/** Calls of each label column of a one-hot group: visit(column, finding or -1). */
static shn_status each_column(const shn_collection_data *c, size_t t, const shn_map_labels *l, const shn_registry *reg,
                              shn_status (*visit)(void *context, size_t col, int finding), void *context, shn_error *err)
{
    const shn_csv *table = c->tables[t];
    size_t         col = 0;
    shn_status     st = SHN_OK;
    if (l->columns_after) {
        st = shn_csv_need(table, l->columns_after, &col, err);
        for (col++; st == SHN_OK && col < shn_csv_columns(table); col++) st = visit(context, col, map_word(reg, l, shn_csv_name(table, col)));
        return st;
    }
    for (size_t i = 0; st == SHN_OK && i < l->columns.n; i++) {
        st = shn_csv_need(table, l->columns.items[i], &col, err);
        if (st == SHN_OK) st = visit(context, col, map_word(reg, l, l->columns.items[i]));
    }
    return st;
}

static shn_status read_bit_column(void *context, size_t col, int finding)
{
    const reading *r = context;
    const shn_csv *table = r->c->tables[r->e->table];
    int            bit;
    const shn_status st = shn_csv_bit(table, r->e->row, col, &bit, r->err);
    if (st != SHN_OK) return st;
    if (r->each && (bit == 1 || finding < 0)) r->each(r->context, r->e, shn_csv_name(table, col), bit == 1, finding);
    if (finding < 0) return SHN_OK;
    if (bit == 1) r->out->positive[finding] = r->out->any_named = 1;
    if (bit < 0 && !r->out->positive[finding]) r->out->open[finding] = 1;
    return SHN_OK;
}

static int compare(shn_compare op, double d)
{
    switch (op) {
    case SHN_LT: return d < 0;
    case SHN_LE: return d <= 0;
    case SHN_GT: return d > 0;
    case SHN_GE: return d >= 0;
    case SHN_EQ: return d == 0;
    default: return d != 0;
    }
}

/** 1, 0, or -1 where the cell is empty; a word where a number is needed is an error. */
static shn_status holds(const reading *r, const shn_condition *q, int *result)
{
    const shn_csv *table = r->c->tables[r->e->table];
    size_t         col;
    char           word[128], *end;
    shn_status     st = shn_csv_need(table, q->column, &col, r->err);
    if (st != SHN_OK) return st;
    const char *cell = shn_csv_cell(table, r->e->row, col);
    size_t      n = strlen(cell);
    cell = shn_trim(cell, &n);
    snprintf(word, sizeof word, "%.*s", (int)n, cell);
    *result = -1;
    if (n == 0 || strcasecmp(word, "nan") == 0) return SHN_OK;
    const double x = strtod(word, &end);
    if (q->is_number && *end == '\0' && isfinite(x)) *result = compare(q->compare, x - q->number);
    else if (q->compare == SHN_EQ || q->compare == SHN_NE) *result = compare(q->compare, strcasecmp(word, q->word) != 0);
    else return shn_csv_fail(table, r->e->row, col, r->err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "'%.40s' is not a number", word);
    return SHN_OK;
}

static shn_status read_rule(const reading *r, const shn_map_rule *rule)
{
    int when, unless = 0;
    const int f = shn_registry_find(r->reg, rule->finding);
    if (f < 0)
        return shn_fail(r->err, SHN_FORMAT, SHN_REASON_UNKNOWN_LABEL, "mapping", "%s: rule '%s': no such finding in the registry; 'shinden labels' lists them",
                        r->c->name, rule->finding);
    shn_status st = holds(r, &rule->when, &when);
    if (st == SHN_OK && rule->has_unless) st = holds(r, &rule->unless, &unless);
    if (st != SHN_OK) return st;
    if (when < 0 || unless == 1) r->out->open[f] = 1;
    else if (when) {
        r->out->positive[f] = r->out->any_named = 1;
        if (r->each) r->each(r->context, r->e, rule->when.column, 1, f);
    }
    return SHN_OK;
}

typedef struct marking { const reading *r; const shn_map_labels *group; } marking;

static void name_mark(void *context, const char *text, size_t n, int sure)
{
    char           word[LABEL_MAX];
    const marking *m = context;
    const reading *r = m->r;
    shn_utf8_mend(text, strlen(text), word, sizeof word);
    const int f = map_word(r->reg, m->group, word);
    if (n && r->each) r->each(r->context, r->e, word, n, f);
    if (n) r->out->any_named = 1;
    if (f < 0) return;
    if (sure) r->out->positive[f] = 1;
    else r->out->open[f] = 1;
}

static int read_marks(const reading *r, const shn_map_labels *l, const shn_stretch *part)
{
    marking m = { r, l };
    if (!r->e->marks) return 0;
    return l->marks == SHN_MARKS_RHYTHMS ? shn_marks_rhythms(r->e->marks, part, name_mark, &m) : shn_marks_beats(r->e->marks, part, name_mark, &m);
}

shn_status shn_entry_labels(const shn_collection_data *c, const shn_entry *e, const shn_stretch *part, const shn_registry *reg, shn_row_labels *out,
                            shn_label_fn *each, void *context, shn_error *err)
{
    reading    r = { .c = c, .e = e, .reg = reg, .out = out, .each = each, .context = context, .err = err };
    shn_status st = SHN_OK;
    memset(out->positive, 0, shn_registry_size(reg));
    memset(out->open, 0, shn_registry_size(reg));
    memset(out->answered, 0, sizeof out->answered);
    out->any_named = 0;
    for (size_t g = 0; st == SHN_OK && g < c->map->n_labels; g++) {
        const shn_map_labels *l = &c->map->labels[g];
        if (l->header) {
            out->answered[g] = e->header_labels && *e->header_labels;
            if (out->answered[g]) name_list(&r, l, e->header_labels, "\n");
        } else if (l->marks != SHN_MARKS_NONE) out->answered[g] = (uint8_t)read_marks(&r, l, part);
        else if (l->column) st = read_column(&r, g);
        else {
            out->answered[g] = 1;
            st = each_column(c, e->table, l, reg, read_bit_column, &r, err);
        }
    }
    for (size_t i = 0; st == SHN_OK && i < c->map->n_rules; i++) st = read_rule(&r, &c->map->rules[i]);
    if (st != SHN_OK && c->n_tables && !strstr(err->text, c->table_paths[e->table])) shn_error_prefix(err, "%s", c->table_paths[e->table]);
    return st;
}

static shn_status mark_column(void *context, size_t col, int finding)
{
    (void)col;
    if (finding >= 0) ((uint8_t *)context)[finding] = 1;
    return SHN_OK;
}

static int listed_nameable(const shn_map *m, const shn_map_labels *l, const char *source, const shn_registry *reg, uint8_t *mask)
{
    for (size_t i = 0; i < m->n_known_lists; i++) {
        const shn_known_list *k = &m->known_lists[i];
        if (k->source && strcmp(k->source, source) != 0) continue;
        for (size_t w = 0; w < k->codes.n; w++) {
            int f = map_word(reg, l, k->codes.items[w]);
            if (f < 0) f = shn_registry_find(reg, k->codes.items[w]);
            if (f >= 0) mask[f] = 1;
        }
        return 1;
    }
    return 0;                                   /* a source the list does not know: what occurs must do */
}

int shn_group_nameable(const shn_collection_data *c, size_t group, const char *source, const shn_registry *reg, uint8_t *mask)
{
    const shn_map        *m = c->map;
    const shn_map_labels *l = &m->labels[group];
    if (l->columns_after || l->columns.n) {     /* a column that is there is an answer, yes or no */
        shn_error ignored;
        for (size_t t = 0; t < c->n_tables; t++)
            if (each_column(c, t, l, reg, mark_column, mask, &ignored) != SHN_OK) return 1;     /* reading the rows reports it */
        return 1;
    }
    if (m->known == SHN_KNOWN_LISTED) return listed_nameable(m, l, source, reg, mask);
    if (m->known == SHN_KNOWN_TABLE) return 0;
    for (size_t i = 0; i < l->words.n; i++) {
        const int f = shn_registry_find(reg, l->words.items[i].to);
        if (f >= 0) mask[f] = 1;
    }
    for (size_t i = 0; i < shn_registry_size(reg); i++)
        for (size_t k = 0; k < l->n_codings; k++)
            if (*shn_registry_codes(reg, l->codings[k], i)) mask[i] = 1;
    return 1;
}
