/* What a collection calls its findings: the label reading of an import, alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "data/plan.h"

static const char where[] = "import.labels";

static const char *keep(shn_label_survey *s, const char *text)
{
    if (!s->storage) s->storage = shn_alloc(1, sizeof(shn_pool));
    return s->storage ? shn_pool_add(s->storage, text, strlen(text)) : NULL;
}

static int compare(const shn_label_count *c, const char *source, const char *label, const char *finding)
{
    const int by_source = strcmp(c->source, source), by_label = strcmp(c->label, label);
    return by_source ? by_source : by_label ? by_label : strcmp(c->finding, finding);
}

shn_status shn_label_survey_add(shn_label_survey *s, const char *source, const char *label, const char *finding, size_t n, shn_error *err)
{
    size_t low = 0, high = s->n;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        if (compare(&s->items[mid], source, label, finding) < 0) low = mid + 1;
        else high = mid;
    }
    if (low == s->n || compare(&s->items[low], source, label, finding) != 0) {
        const shn_label_count fresh = { keep(s, source), keep(s, label), keep(s, finding), 0 };
        if (!fresh.source || !fresh.label || !fresh.finding || shn_grow(&s->items, &s->capacity, s->n + 1, sizeof *s->items) != 0) return shn_fail_nomem(err, where);
        memmove(s->items + low + 1, s->items + low, (s->n - low) * sizeof *s->items);
        s->items[low] = fresh;
        s->n++;
    }
    s->items[low].n += n;
    s->n_labels += n;
    return SHN_OK;
}

void shn_label_survey_free(shn_label_survey *s)
{
    free(s->items);
    if (s->storage) shn_pool_free(s->storage);
    free(s->storage);
    memset(s, 0, sizeof *s);
}

typedef struct counting { const shn_registry *reg; shn_label_survey *out; shn_status st; shn_error *err; } counting;

static void count_label(void *context, const shn_entry *e, const char *label, size_t n, int finding)
{
    counting *c = context;
    if (n == 0 || c->st != SHN_OK) return;      /* a column that stands for nothing and that no record has */
    c->st = shn_label_survey_add(c->out, e->source_name, label, finding < 0 ? "" : shn_registry_at(c->reg, (size_t)finding)->id, n, c->err);
}

static shn_status count_refused(shn_label_survey *s, const shn_entry *e, shn_error *err)
{
    char text[SHN_PATH_MAX + sizeof err->text + 64];
    if (s->n_refused++) return SHN_OK;
    snprintf(text, sizeof text, "%s: %s%s%s", e->path, shn_reason_name(e->refused), e->detail && *e->detail ? ": " : "", e->detail ? e->detail : "");
    s->first_refused = keep(s, text);
    return s->first_refused ? SHN_OK : shn_fail_nomem(err, where);
}

static shn_status count_entries(const shn_registry *reg, shn_collection_data *c, shn_label_survey *out, shn_error *err)
{
    const size_t   R = shn_registry_size(reg);
    counting       to = { .reg = reg, .out = out, .err = err };
    shn_row_labels row = { .positive = shn_alloc(R, 1), .open = shn_alloc(R, 1) };
    shn_status     st = row.positive && row.open ? SHN_OK : shn_fail_nomem(err, where);
    for (size_t i = 0; st == SHN_OK && i < c->n_entries; i++) {
        if (c->entries[i].refused != SHN_REASON_NONE) {
            st = count_refused(out, &c->entries[i], err);
            continue;
        }
        st = shn_entry_labels(c, &c->entries[i], NULL, reg, &row, count_label, &to, err);
        if (st == SHN_OK) st = to.st;
        out->n_records++;
    }
    free(row.positive);
    free(row.open);
    return st;
}

shn_status shn_import_labels(const shn_collection *collection, const shn_registry *registry, shn_label_survey *out, shn_error *err)
{
    shn_import_options   o;
    shn_collection_data *c = NULL;
    memset(out, 0, sizeof *out);
    shn_import_defaults(&o);
    shn_status st = shn_collection_open(collection, 0, &c, err);
    if (st == SHN_OK) st = shn_collection_scan(c, &o, err);
    if (st == SHN_OK) st = count_entries(registry, c, out, err);
    shn_collection_close(c);
    if (st != SHN_OK) shn_label_survey_free(out);
    return st;
}
