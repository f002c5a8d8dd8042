/* plan -> file laid out or found again -> rows -> manifest -> name. docs/cohort.md tells what a kill at each point leaves. */
#include "shinden/import.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/csv.h"
#include "base/fail.h"
#include "base/file.h"
#include "data/identity.h"
#include "data/import_run.h"

void shn_import_defaults(shn_import_options *o)
{
    memset(o, 0, sizeof *o);
    shn_signal_defaults(&o->signal);
    o->signal.fs_hz = 0;
    o->seconds = 10;
}

static size_t wider(size_t width, const char *s)
{
    const size_t n = strlen(s) + 1;
    return n > width ? n : width;
}

/** The file's layout: text widths as wide as the widest text, so nothing is cut that fits SHN_COHORT_TEXT_MAX. */
static void specify(const shn_plan *p, const char *path, shn_cohort_spec *spec)
{
    *spec = (shn_cohort_spec){ .path = path, .n_rows = p->n_rows, .n_samples = p->n_samples, .fs_hz = p->fs_hz, .finding_ids = p->finding_ids,
                               .findings = p->findings, .n_findings = p->n_findings, .source_names = p->sources, .n_sources = p->n_sources,
                               .id_bytes = 2, .patient_bytes = 2, .split_bytes = 2, .path_bytes = 2, .report_bytes = 2 };
    for (size_t r = 0; r < p->n_rows; r++) {
        const shn_entry *e = shn_plan_entry(p, r);
        spec->id_bytes = wider(spec->id_bytes, e->id);
        spec->patient_bytes = wider(spec->patient_bytes, e->patient);
        spec->split_bytes = wider(spec->split_bytes, e->split);
        spec->path_bytes = wider(spec->path_bytes, e->path);
        spec->report_bytes = wider(spec->report_bytes, e->report);
    }
}

static shn_status remember(void *context, const shn_journal_entry *e)
{
    shn_run    *run = context;
    const char *detail = shn_pool_add(&run->pool, e->detail, strlen(e->detail));
    if (!detail) return SHN_NOMEM;
    run->outcomes[e->row] = (shn_outcome){ .status = (uint8_t)e->status, .reason = (uint8_t)e->reason, .detail = detail };
    return SHN_OK;
}

/** Goes on with a file that a killed run of the same plan left, or begins one. */
static shn_status open_output(shn_run *run, const char *out_path, shn_error *err)
{
    const shn_plan           *p = run->plan;
    const shn_import_options *o = run->options;
    const shn_h5_attribute attributes[] = {
        { .name = "command", .text = o->command ? o->command : "" },
        { .name = "registry_version", .text = shn_registry_version(p->registry) },
        { .name = "source_hashes", .text = p->hashes },
        { .name = "program", .text = "shinden " SHINDEN_VERSION },
        { .name = "plan", .text = p->digest },
        { .name = "simulated", .number = 1 },   /* last: left out where it is not so */
    };
    shn_cohort_spec spec;
    char            path[SHN_PATH_MAX + 32];
    int             found;
    uint8_t        *absent = shn_alloc(p->n_rows, 1);
    if (!absent) return shn_fail_nomem(err, "import");
    specify(p, out_path, &spec);
    spec.attributes = attributes;
    spec.n_attributes = sizeof attributes / sizeof *attributes - !o->simulated;
    for (size_t r = 0; r < p->n_rows; r++) absent[r] = shn_plan_entry(p, r)->refused != SHN_REASON_NONE;
    spec.no_signal = absent;
    snprintf(path, sizeof path, "%s.journal", out_path);
    shn_status st = shn_journal_resume(&run->journal, path, p->digest, p->n_rows, remember, run, &found, err);
    if (st == SHN_NOMEM) shn_fail_nomem(err, "import.journal");
    spec.resume = found;
    if (st == SHN_OK && found) {
        st = shn_cohort_writer_new(&spec, &run->writer, err);
        if (st != SHN_OK && st != SHN_NOMEM) {  /* the journal outlived its file: begin again */
            shn_journal_close(&run->journal, 1);
            memset(run->outcomes, 0, p->n_rows * sizeof *run->outcomes);
            found = spec.resume = 0;
            st = SHN_OK;
        }
    }
    if (st == SHN_OK && !found) {
        unlink(path);                           /* a journal of another plan must not outlive the file it speaks of */
        st = shn_cohort_writer_new(&spec, &run->writer, err);
        if (st == SHN_OK) st = shn_journal_begin(&run->journal, path, p->digest, err);
    }
    free(absent);
    return st;
}

static shn_status finish(shn_run *run, const char *out_path, shn_import_summary *summary, shn_error *err)
{
    char path[SHN_PATH_MAX + 32];
    shn_status st = shn_run_summary(run, summary, err);
    if (st == SHN_OK) {
        snprintf(path, sizeof path, "%s.manifest.csv", out_path);
        st = shn_run_manifest(run, path, err);
    }
    if (st == SHN_OK && summary->n_kept == 0) {
        size_t worst = 0;
        for (size_t r = 1; r < SHN_REASON_COUNT; r++)
            if (summary->refused[r] > summary->refused[worst]) worst = r;
        shn_journal_close(&run->journal, 1);
        return shn_fail(err, SHN_FORMAT, (shn_reason)worst, "import", "none of %zu records could be kept, most for %s; see %s", summary->n_found,
                        shn_reason_name((shn_reason)worst), path);
    }
    if (st == SHN_OK) {
        shn_cohort_writer_keep(run->writer);
        st = shn_cohort_writer_finish(run->writer, err);
    }
    if (st == SHN_OK) shn_journal_close(&run->journal, 1);
    return st;
}

static shn_status run_plan(const shn_plan *p, const char *out_path, const shn_import_options *o, shn_import_summary *summary, shn_error *err)
{
    shn_run run = { .plan = p, .options = o, .journal = { .fd = -1 } };
    pthread_mutex_init(&run.lock, NULL);
    pthread_cond_init(&run.changed, NULL);
    run.outcomes = shn_alloc(p->n_rows, sizeof *run.outcomes);
    run.finished = shn_alloc(p->n_rows, sizeof *run.finished);
    shn_status st = run.outcomes && run.finished ? SHN_OK : shn_fail_nomem(err, "import");
    if (st == SHN_OK) st = open_output(&run, out_path, err);
    for (size_t r = 0; st == SHN_OK && r < p->n_rows; r++) summary->n_resumed += run.outcomes[r].status != SHN_ROW_PENDING;
    if (st == SHN_OK) {
        st = shn_run_rows(&run, err);
        if (st != SHN_OK) shn_cohort_writer_keep(run.writer);       /* the same command goes on from here */
    }
    if (st == SHN_OK) st = finish(&run, out_path, summary, err);
    shn_cohort_writer_free(run.writer);
    shn_journal_close(&run.journal, 0);
    free(run.outcomes);
    free(run.finished);
    shn_pool_free(&run.pool);
    pthread_cond_destroy(&run.changed);
    pthread_mutex_destroy(&run.lock);
    return st;
}

shn_status shn_import(const shn_collection *collections, size_t n, const char *out_path, const shn_import_options *options,
                      shn_import_summary *summary, shn_error *err)
{
    shn_import_summary own;
    shn_plan          *plan = NULL;
    struct timespec    begin, end;
    if (!summary) summary = &own;
    memset(summary, 0, sizeof *summary);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (strlen(out_path) + 32 >= SHN_PATH_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "import", "the output's path has %zu bytes", strlen(out_path));
    shn_status st = shn_plan_new(collections, n, options, &plan, err);
    if (st == SHN_OK) st = run_plan(plan, out_path, options, summary, err);
    shn_plan_free(plan);
    clock_gettime(CLOCK_MONOTONIC, &end);
    summary->seconds = (double)(end.tv_sec - begin.tv_sec) + 1e-9 * (double)(end.tv_nsec - begin.tv_nsec);
    if (summary == &own) shn_import_summary_free(&own);
    return st;
}
