/* What each source could have named, and so what a record is known not to have. Silence is not always a "no". */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "data/plan.h"

static uint8_t *mask_of(const shn_plan *p, size_t collection, size_t group, size_t source)
{
    return p->nameable[collection] + (group * p->n_sources + source) * shn_registry_size(p->registry);
}

/** For each finding the list of all strictly below it. */
static shn_status list_descendants(shn_plan *p, shn_error *err)
{
    const size_t R = shn_registry_size(p->registry);
    size_t       n = 0, capacity = 0;
    p->below_start = shn_alloc(R + 1, sizeof *p->below_start);
    if (!p->below_start) return shn_fail_nomem(err, "import.findings");
    for (size_t i = 0; i < R; i++) {
        for (size_t j = 0; j < R; j++) {
            if (i == j || !shn_registry_is_a(p->registry, j, i)) continue;
            if (shn_grow(&p->below, &capacity, n + 1, sizeof *p->below) != 0) return shn_fail_nomem(err, "import.findings");
            p->below[n++] = (uint32_t)j;
        }
        p->below_start[i + 1] = n;
    }
    return SHN_OK;
}

/** A parent was named and none below it: which child it is was left open. */
static void leave_children_open(const shn_plan *p, const uint8_t *positive, uint8_t *known)
{
    for (size_t i = 0; i < shn_registry_size(p->registry); i++) {
        if (!positive[i]) continue;
        int explained = 0;
        for (size_t j = p->below_start[i]; j < p->below_start[i + 1]; j++) explained |= positive[p->below[j]];
        for (size_t j = p->below_start[i]; !explained && j < p->below_start[i + 1]; j++) known[p->below[j]] = 0;
    }
}

shn_status shn_plan_labels(const shn_plan *p, size_t collection, const shn_entry *e, const shn_stretch *part, shn_label_scratch *s, shn_error *err)
{
    const shn_collection_data *c = p->collections[collection];
    const size_t R = shn_registry_size(p->registry);
    const shn_status st = shn_entry_labels(c, e, part, p->registry, &s->row, NULL, NULL, err);
    if (st != SHN_OK) return st;
    memset(s->known, 0, R);
    for (size_t g = 0; g < c->map->n_labels; g++) {
        const uint8_t *mask = mask_of(p, collection, g, e->source);
        for (size_t i = 0; s->row.answered[g] && i < R; i++) s->known[i] |= mask[i];
    }
    for (size_t i = 0; i < c->map->n_rules; i++) s->known[shn_registry_find(p->registry, c->map->rules[i].finding)] = 1;
    for (size_t i = 0; i < R; i++)
        if (s->row.open[i]) s->known[i] = 0;
    leave_children_open(p, s->row.positive, s->known);
    for (size_t i = 0; i < R; i++) s->known[i] |= s->row.positive[i];
    return SHN_OK;
}

shn_status shn_label_scratch_new(const shn_plan *p, shn_label_scratch *out, shn_error *err)
{
    const size_t R = shn_registry_size(p->registry);
    memset(out, 0, sizeof *out);
    out->row.positive = shn_alloc(R, 1);
    out->row.open = shn_alloc(R, 1);
    out->known = shn_alloc(R, 1);
    if (out->row.positive && out->row.open && out->known) return SHN_OK;
    shn_label_scratch_free(out);
    return shn_fail_nomem(err, "import.labels");
}

void shn_label_scratch_free(shn_label_scratch *s)
{
    free(s->row.positive);
    free(s->row.open);
    free(s->known);
    memset(s, 0, sizeof *s);
}

typedef struct count_unknown { shn_plan *p; shn_error *err; shn_status st; } count_unknown;

static void on_label(void *context, const shn_entry *e, const char *label, size_t n, int finding)
{
    count_unknown *u = context;
    if (finding < 0 && u->st == SHN_OK && shn_tally_add(&u->p->unknown, e->source_name, label, n) != SHN_OK) u->st = shn_fail_nomem(u->err, "import.labels");
}

/** Codes of the group that occur in this source are codes that it could have named. */
static void add_occurring(shn_plan *p, size_t collection, const uint8_t *complete, const shn_entry *e, const shn_row_labels *row)
{
    const size_t R = shn_registry_size(p->registry);
    for (size_t g = 0; g < p->collections[collection]->map->n_labels; g++) {
        if (complete[g * p->n_sources + e->source] || !row->answered[g]) continue;
        uint8_t *mask = mask_of(p, collection, g, e->source);
        for (size_t i = 0; i < R; i++) mask[i] |= row->positive[i];
    }
}

/** The manifest says of a record whose source says nothing that it is without labels. */
static shn_status note_silence(shn_collection_data *c, shn_entry *e, const shn_row_labels *row, shn_error *err)
{
    static const char text[] = "no_label: the source says nothing about its findings";
    char joined[256];
    for (size_t g = 0; g < c->map->n_labels; g++)
        if (row->answered[g]) return SHN_OK;
    if (c->map->n_rules) return SHN_OK;
    snprintf(joined, sizeof joined, "%s%s%s", e->detail ? e->detail : "", e->detail ? "; " : "", text);
    e->detail = shn_pool_add(&c->pool, joined, strlen(joined));
    return e->detail ? SHN_OK : shn_fail_nomem(err, "import.labels");
}

/** Fills nameable[collection], marks in `ever` what was named, and counts what the registry does not know. */
static shn_status read_collection(shn_plan *p, size_t collection, uint8_t *ever, shn_label_scratch *s, shn_error *err)
{
    shn_collection_data *c = p->collections[collection];
    const size_t  R = shn_registry_size(p->registry), G = c->map->n_labels, S = p->n_sources;
    count_unknown unknown = { .p = p, .err = err, .st = SHN_OK };
    uint8_t      *complete = shn_alloc(G * S, 1);
    p->nameable[collection] = shn_alloc(G * S, R);
    shn_status st = complete && p->nameable[collection] ? SHN_OK : shn_fail_nomem(err, "import.labels");
    for (size_t g = 0; st == SHN_OK && g < G; g++)
        for (size_t i = 0; i < S; i++)
            complete[g * S + i] = (uint8_t)shn_group_nameable(c, g, p->sources[i], p->registry, mask_of(p, collection, g, i));
    for (size_t i = 0; st == SHN_OK && i < c->n_entries; i++) {
        shn_entry *e = &c->entries[i];
        if (e->refused != SHN_REASON_NONE) continue;
        st = shn_entry_labels(c, e, NULL, p->registry, &s->row, on_label, &unknown, err);
        if (st == SHN_OK) st = unknown.st;
        if (st != SHN_OK) break;
        for (size_t r = 0; r < R; r++) ever[r] |= s->row.positive[r];
        add_occurring(p, collection, complete, e, &s->row);
        if (!s->row.any_named) st = note_silence(c, e, &s->row, err);
    }
    free(complete);
    return st;
}

/** The cohort's findings: those that some source of it could have named, with a record there, in registry order. */
static shn_status number_findings(shn_plan *p, uint8_t *ever, shn_error *err)
{
    const size_t R = shn_registry_size(p->registry);
    for (size_t c = 0; c < p->n_collections; c++) {
        const shn_collection_data *data = p->collections[c];
        for (size_t i = 0; i < data->n_entries; i++) {      /* only sources with a record that will be read */
            const shn_entry *e = &data->entries[i];
            if (e->refused != SHN_REASON_NONE || (i > 0 && data->entries[i - 1].source == e->source && data->entries[i - 1].refused == SHN_REASON_NONE)) continue;
            for (size_t g = 0; g < data->map->n_labels; g++)
                for (size_t r = 0; r < R; r++) ever[r] |= mask_of(p, c, g, e->source)[r];
            for (size_t k = 0; k < data->map->n_rules; k++) ever[shn_registry_find(p->registry, data->map->rules[k].finding)] = 1;
        }
    }
    p->column = shn_alloc(R, sizeof *p->column);
    p->column_of = shn_alloc(R, sizeof *p->column_of);
    p->finding_ids = shn_alloc(R, sizeof *p->finding_ids);
    p->findings = shn_alloc(R, sizeof *p->findings);
    if (!p->column || !p->column_of || !p->finding_ids || !p->findings) return shn_fail_nomem(err, "import.findings");
    int some = 0, unlabelled = 1;
    for (size_t r = 0; r < R; r++) some |= ever[r];
    for (size_t c = 0; c < p->n_collections; c++) unlabelled &= p->collections[c]->map->unlabelled;
    if (!some && unlabelled) memset(ever, 1, R);        /* a cohort needs findings: all that the registry has, known of no record */
    for (size_t r = 0; r < R; r++) {
        p->column_of[r] = ever[r] ? (int32_t)p->n_findings : -1;
        if (!ever[r]) continue;
        p->column[p->n_findings] = (uint32_t)r;
        p->findings[p->n_findings] = shn_registry_at(p->registry, r);
        p->finding_ids[p->n_findings] = p->findings[p->n_findings]->id;
        p->n_findings++;
    }
    if (p->n_findings == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_UNKNOWN_LABEL, "import", "no label of any record is known to the registry; check 'coding' or add 'words' to the mapping");
    return SHN_OK;
}

shn_status shn_plan_findings(shn_plan *p, shn_error *err)
{
    const size_t R = shn_registry_size(p->registry);
    shn_label_scratch s;
    uint8_t   *ever = shn_alloc(R, 1);
    shn_status st = shn_label_scratch_new(p, &s, err);
    if (st == SHN_OK && !ever) st = shn_fail_nomem(err, "import.findings");
    p->nameable = shn_alloc(p->n_collections, sizeof *p->nameable);
    if (st == SHN_OK && !p->nameable) st = shn_fail_nomem(err, "import.findings");
    if (st == SHN_OK) st = list_descendants(p, err);
    for (size_t c = 0; st == SHN_OK && c < p->n_collections; c++) st = read_collection(p, c, ever, &s, err);
    if (st == SHN_OK) st = number_findings(p, ever, err);
    shn_label_scratch_free(&s);
    free(ever);
    return st;
}
