/* What an import says afterwards: the manifest, a line for every row, and the counts. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/fail.h"
#include "base/file.h"
#include "data/identity.h"
#include "data/import_run.h"

shn_status shn_run_manifest(const shn_run *run, const char *path, shn_error *err)
{
    static const char *const head[] = { "path", "source", "status", "reason", "detail" };
    shn_writer w;
    shn_status st = shn_writer_open(&w, path, err);
    if (st != SHN_OK) return st;
    shn_csv_put_row(w.stream, head, 5, ',');
    for (size_t r = 0; r < run->plan->n_rows; r++) {
        const shn_entry   *e = shn_plan_entry(run->plan, r);
        const shn_outcome *o = &run->outcomes[r];
        const char *row[] = { *e->path ? e->path : e->id, e->source_name, o->status == SHN_ROW_KEPT ? "kept" : o->status == SHN_ROW_REFUSED ? "refused" : "pending",
                              o->status == SHN_ROW_REFUSED ? shn_reason_name((shn_reason)o->reason) : "", o->detail ? o->detail : "" };
        shn_csv_put_row(w.stream, row, 5, ',');
    }
    return shn_writer_commit(&w, err);
}

static int by_source_and_name(const void *a, const void *b)
{
    const shn_import_count *x = a, *y = b;
    const int source = strcmp(x->source, y->source);
    return source ? source : strcmp(x->name, y->name);
}

/** A sorted copy of a tally whose strings live in the storage. */
static shn_status copy_counts(const shn_tally *t, shn_pool *storage, shn_import_count **out, size_t *n)
{
    *out = shn_alloc(t->n, sizeof **out);
    if (!*out) return SHN_NOMEM;
    *n = 0;
    for (size_t i = 0; i < t->n; i++) {
        const shn_import_count *c = &t->items[i];
        shn_import_count copy = { .source = shn_pool_add(storage, c->source, strlen(c->source)), .name = shn_pool_add(storage, c->name, strlen(c->name)), .n = c->n };
        if (!copy.source || !copy.name) return SHN_NOMEM;
        (*out)[(*n)++] = copy;
    }
    qsort(*out, *n, sizeof **out, by_source_and_name);
    return SHN_OK;
}

/** People seen: named patients, and records whose patient nobody named. */
typedef struct people { shn_identities patients, records; } people;

static shn_status count_rows(const shn_run *run, shn_tally *splits, people *seen, shn_import_summary *out)
{
    shn_status st = SHN_OK;
    for (size_t r = 0; r < run->plan->n_rows && st == SHN_OK; r++) {
        const shn_entry   *e = shn_plan_entry(run->plan, r);
        const shn_outcome *o = &run->outcomes[r];
        out->n_found++;
        if (o->status != SHN_ROW_KEPT) {
            out->n_refused++;
            out->refused[o->reason]++;
            continue;
        }
        out->n_kept++;
        st = shn_tally_add(splits, e->source_name, e->split, 1);
        const shn_identity *who = *e->patient ? shn_identity_of(&seen->patients, e->source_name, e->patient)
                                              : shn_identity_of(&seen->records, e->source_name, e->id);
        if (!who) st = SHN_NOMEM;
    }
    out->n_patients = seen->patients.n + seen->records.n;
    return st;
}

shn_status shn_run_summary(const shn_run *run, shn_import_summary *out, shn_error *err)
{
    const shn_plan *p = run->plan;
    shn_pool       *storage = shn_alloc(1, sizeof *storage), scratch = { 0 };
    shn_tally       splits = { .pool = &scratch };
    people          seen = { 0 };
    out->storage = storage;
    out->n_findings = p->n_findings;
    out->n_samples = p->n_samples;
    out->fs_hz = p->fs_hz;
    for (size_t i = 0; i < p->unknown.n; i++) out->n_labels_unknown += p->unknown.items[i].n;
    shn_status st = storage ? count_rows(run, &splits, &seen, out) : SHN_NOMEM;
    if (st == SHN_OK) st = copy_counts(&splits, storage, &out->splits, &out->n_splits);
    if (st == SHN_OK) st = copy_counts(&p->unknown, storage, &out->unknown, &out->n_unknown);
    free(splits.items);
    shn_identities_free(&seen.patients);
    shn_identities_free(&seen.records);
    shn_pool_free(&scratch);
    return st == SHN_OK ? SHN_OK : shn_fail_nomem(err, "import.summary");
}

void shn_import_summary_free(shn_import_summary *s)
{
    free(s->splits);
    free(s->unknown);
    if (s->storage) shn_pool_free(s->storage);
    free(s->storage);
    memset(s, 0, sizeof *s);
}
