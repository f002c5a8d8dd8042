/* What a collection calls its findings: the label reading of an import, alone. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "data/plan.h"

typedef struct survey {
    const shn_registry *reg;
    shn_label_survey   *out;
    size_t              capacity;
    shn_pool            pool;
    int                 no_memory;
} survey;

static void count_label(void *context, const shn_entry *e, const char *label, size_t n, int finding)
{
    survey     *s = context;
    const char *id = finding < 0 ? "" : shn_registry_at(s->reg, (size_t)finding)->id;
    size_t      i = 0;
    if (n == 0 || s->no_memory) return;         /* a column that stands for nothing and that no record has */
    s->out->n_labels += n;
    while (i < s->out->n && (strcmp(s->out->items[i].label, label) != 0 || strcmp(s->out->items[i].source, e->source_name) != 0 ||
                             strcmp(s->out->items[i].finding, id) != 0)) i++;
    if (i == s->out->n) {
        const char *own = shn_pool_add(&s->pool, label, strlen(label)), *source = shn_pool_add(&s->pool, e->source_name, strlen(e->source_name));
        if (!own || !source || shn_grow(&s->out->items, &s->capacity, i + 1, sizeof *s->out->items) != 0) {
            s->no_memory = 1;
            return;
        }
        s->out->items[s->out->n++] = (shn_label_count){ source, own, id, 0 };
    }
    s->out->items[i].n += n;
}

static int by_source_and_label(const void *a, const void *b)
{
    const shn_label_count *x = a, *y = b;
    const int source = strcmp(x->source, y->source), label = strcmp(x->label, y->label);
    return source ? source : label ? label : strcmp(x->finding, y->finding);
}

static shn_status count_entries(survey *s, shn_collection_data *c, shn_error *err)
{
    const size_t   R = shn_registry_size(s->reg);
    shn_row_labels row = { .positive = shn_alloc(R, 1), .open = shn_alloc(R, 1) };
    shn_status     st = row.positive && row.open ? SHN_OK : shn_fail_nomem(err, "import.labels");
    for (size_t i = 0; st == SHN_OK && i < c->n_entries; i++) {
        if (c->entries[i].refused != SHN_REASON_NONE) continue;
        st = shn_entry_labels(c, &c->entries[i], NULL, s->reg, &row, count_label, s, err);
        s->out->n_records++;
    }
    free(row.positive);
    free(row.open);
    return st == SHN_OK && s->no_memory ? shn_fail_nomem(err, "import.labels") : st;
}

shn_status shn_import_labels(const shn_collection *collection, const shn_registry *registry, shn_label_survey *out, shn_error *err)
{
    survey               s = { .reg = registry, .out = out };
    shn_import_options   o;
    shn_collection_data *c = NULL;
    memset(out, 0, sizeof *out);
    shn_import_defaults(&o);
    shn_status st = shn_collection_open(collection, 0, &c, err);
    if (st == SHN_OK) st = shn_collection_scan(c, &o, err);
    if (st == SHN_OK) st = count_entries(&s, c, err);
    shn_collection_close(c);
    shn_pool *storage = shn_alloc(1, sizeof *storage);
    if (storage) *storage = s.pool;
    else shn_pool_free(&s.pool);
    out->storage = storage;
    if (st == SHN_OK && !storage) st = shn_fail_nomem(err, "import.labels");
    if (st == SHN_OK && out->n) qsort(out->items, out->n, sizeof *out->items, by_source_and_label);
    if (st != SHN_OK) shn_label_survey_free(out);
    return st;
}

void shn_label_survey_free(shn_label_survey *s)
{
    free(s->items);
    if (s->storage) shn_pool_free(s->storage);
    free(s->storage);
    memset(s, 0, sizeof *s);
}
