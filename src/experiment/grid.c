/**
 * A run is a function of its settings, cohort and texts; their digest is in its folder's name, so a changed config makes new runs and never mixes
 * with old ones. `done.json` is written last.
 */
#include "experiment/grid.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/threads.h"
#include "experiment/cohorts.h"
#include "experiment/lists.h"
#include "shinden/embed.h"
#include "shinden/eval.h"
#include "shinden/findings.h"

enum { NAME_MAX_BYTES = 80 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- which runs ---- */

/** Digest of a text source: a file's content, or what the hash is made from. */
static shn_status text_digest(const xp_text *t, char hex[65], shn_error *err)
{
    if (t->file) return shn_sha256_file(t->file, hex, err);
    if (t->builtin) snprintf(hex, 65, "%.40s %.20s", t->builtin, shn_registry_version(shn_registry_builtin()));
    else snprintf(hex, 65, "hash %zu", t->hash);
    return SHN_OK;
}

shn_status xp_cohort_digest(const shn_cohort *c, char out[XP_COHORT_DIGEST], shn_error *err)
{
    static const char *const splits[] = { "train", "val" };
    shn_status st = SHN_OK;
    *out = '\0';
    for (int i = 0; i < 2 && st == SHN_OK; i++) {
        uint32_t *rows = NULL;
        size_t    n = 0;
        if (i == 1 && !shn_cohort_has_split(c, "val")) break;
        st = shn_cohort_split_rows(c, splits[i], &rows, &n, err);
        if (st == SHN_OK) st = shn_cohort_digest(c, rows, n, out + strlen(out), err);
        free(rows);
    }
    return st;
}

/** DIR/runs/SYSTEM-SEED[-pPART]-DIGEST. */
static shn_status name_folder(const xp_grid *g, xp_run *run, shn_error *err)
{
    const xp_system *s = &g->plan->systems[run->system];
    char name[NAME_MAX_BYTES + 1], part[24] = "", tail[192], path[SHN_PATH_MAX];
    xp_file_name(s->name, name, sizeof name);
    if (s->n_parts > 1) snprintf(part, sizeof part, "-p%zu", run->part + 1);
    snprintf(tail, sizeof tail, "runs/%s-%" PRIu64 "%s-%.8s", name, g->plan->seeds[run->seed], part, run->digest);
    const shn_status st = shn_path_join(path, g->folder, tail, err);
    if (st != SHN_OK) return st;
    run->folder = shn_strdup(path);
    return run->folder ? SHN_OK : shn_fail_nomem(err, "experiment");
}

static shn_status name_run(const xp_grid *g, xp_run *run, const char *cohort_hex, const char *text_hex, shn_error *err)
{
    shn_train_config config;
    char   *yaml = NULL, hex[65];
    uint8_t digest[32];
    shn_status st = xp_train_config(g->plan, &g->plan->systems[run->system], g->plan->seeds[run->seed], run->part, &config, err);
    if (st == SHN_OK) st = shn_train_config_yaml(&config, 1, &yaml, err);
    if (st != SHN_OK) return st;
    shn_sha256 *h = shn_sha256_new();
    if (!h) {
        free(yaml);
        return shn_fail_nomem(err, "experiment");
    }
    shn_sha256_add(h, yaml, strlen(yaml));
    shn_sha256_add(h, cohort_hex, strlen(cohort_hex));
    shn_sha256_add(h, text_hex, strlen(text_hex));
    shn_sha256_end(h, digest);
    free(yaml);
    shn_sha256_hex(digest, hex);
    snprintf(run->digest, sizeof run->digest, "%.16s", hex);
    return name_folder(g, run, err);
}

/** Digests of the cohorts, or of their folds, that systems are trained on: hex [n_cohorts][XP_PARTS_MAX]. */
static shn_status digest_cohorts(const xp_plan *p, char (*hex)[XP_COHORT_DIGEST], shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; i < p->n_systems && st == SHN_OK; i++) {         /* only cohorts that are trained on need a training split */
        const size_t c = p->systems[i].cohort, n = p->cohorts[c].n_folds ? p->cohorts[c].n_folds : 1;
        for (size_t part = 0; part < n && st == SHN_OK && !*hex[c * XP_PARTS_MAX + part]; part++)
            st = xp_cohort_digest(xp_training_cohort(p, &p->systems[i], part), hex[c * XP_PARTS_MAX + part], err);
        if (st != SHN_OK) shn_error_prefix(err, "cohort '%.60s'", p->cohorts[c].name);
    }
    return st;
}

static shn_status name_runs(xp_grid *g, shn_error *err)
{
    const xp_plan *p = g->plan;
    char (*cohort)[XP_COHORT_DIGEST] = shn_alloc(p->n_cohorts * XP_PARTS_MAX, sizeof *cohort);
    char (*text)[65] = shn_alloc(p->n_texts + 1, sizeof *text);         /* the last: no text */
    shn_status st = cohort && text ? SHN_OK : shn_fail_nomem(err, "experiment");
    for (size_t i = 0; i < p->n_texts && st == SHN_OK; i++) st = text_digest(&p->texts[i], text[i], err);
    if (st == SHN_OK) st = digest_cohorts(p, cohort, err);
    for (size_t i = 0; i < g->n_runs && st == SHN_OK; i++) {
        const xp_system *s = &p->systems[g->runs[i].system];
        const size_t     fold = p->cohorts[s->cohort].n_folds ? g->runs[i].part : 0;
        st = name_run(g, &g->runs[i], cohort[s->cohort * XP_PARTS_MAX + fold], text[s->text], err);
    }
    free(cohort);
    free(text);
    return st;
}

static int by_folder(const void *a, const void *b) { return strcmp((*(xp_run *const *)a)->folder, (*(xp_run *const *)b)->folder); }

/** Two runs in one folder would be two workers writing the same files: systems whose names differ only in what xp_file_name replaces or cuts, and nothing else. */
static shn_status check_folders(const xp_grid *g, shn_error *err)
{
    xp_run   **sorted = shn_alloc(g->n_runs, sizeof *sorted);
    shn_status st = sorted ? SHN_OK : shn_fail_nomem(err, "experiment");
    for (size_t i = 0; sorted && i < g->n_runs; i++) sorted[i] = &g->runs[i];
    if (sorted) qsort(sorted, g->n_runs, sizeof *sorted, by_folder);
    for (size_t i = 1; i < g->n_runs && st == SHN_OK; i++)
        if (strcmp(sorted[i - 1]->folder, sorted[i]->folder) == 0)
            st = shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "experiment", "systems '%.90s' and '%.90s' have the same settings and would train in the same folder; rename one or take it out",
                          g->plan->systems[sorted[i - 1]->system].name, g->plan->systems[sorted[i]->system].name);
    free(sorted);
    return st;
}

shn_status xp_grid_open(xp_plan *p, const char *folder, const shn_watcher *watcher, xp_grid *g, shn_error *err)
{
    *g = (xp_grid){ .plan = p, .folder = shn_strdup(folder) };
    for (size_t i = 0; i < p->n_systems; i++) g->n_runs += p->systems[i].n_seeds * p->systems[i].n_parts;
    g->runs = shn_alloc(g->n_runs, sizeof *g->runs);
    if (!g->folder || !g->runs) return shn_fail_nomem(err, "experiment");
    shn_status st = SHN_OK;
    for (size_t i = 0; i < p->n_cohorts && st == SHN_OK; i++) {
        st = xp_cohort_open(p, folder, &p->cohorts[i], watcher, err);
        if (st != SHN_OK) shn_error_prefix(err, "cohort '%.60s'", p->cohorts[i].name);
    }
    for (size_t i = 0; i < p->n_texts && st == SHN_OK; i++) {
        if (p->texts[i].file) st = shn_vectors_read(p->texts[i].file, &p->texts[i].open, err);
        if (p->texts[i].builtin) st = shn_vectors_builtin(&p->texts[i].open, err);
    }
    if (st == SHN_OK) st = xp_lists_settle(p, err);
    /* seed by seed: after the first round every system has a result, and what is stopped early is still a comparison */
    size_t n = 0;
    for (size_t seed = 0; seed < p->n_seeds; seed++)
        for (size_t i = 0; i < p->n_systems; i++)
            for (size_t part = 0; part < p->systems[i].n_parts && seed < p->systems[i].n_seeds; part++)
                g->runs[n++] = (xp_run){ .system = i, .seed = seed, .part = part };
    if (st == SHN_OK) st = name_runs(g, err);
    return st == SHN_OK ? check_folders(g, err) : st;
}

void xp_grid_close(xp_grid *g)
{
    for (size_t i = 0; g->runs && i < g->n_runs; i++) free(g->runs[i].folder);
    free(g->runs);
    free(g->folder);
    *g = (xp_grid){ 0 };
}

const xp_run *xp_grid_find(const xp_grid *g, size_t system, size_t seed, size_t part)
{
    for (size_t i = 0; i < g->n_runs; i++)
        if (g->runs[i].system == system && g->runs[i].seed == seed && g->runs[i].part == part) return &g->runs[i];
    return NULL;
}

shn_status xp_run_path(const xp_run *run, const char *name, char *out, shn_error *err) { return shn_path_join(out, run->folder, name, err); }

/* ---- one run ---- */

typedef struct pool_work {
    xp_grid          *g;
    atomic_size_t     next, done;
    atomic_int        stop;
    pthread_mutex_t   lock;
    pthread_cond_t    changed;
    unsigned          n_working;        /* under lock, as are the two below */
    shn_error         error;
    char              last[96];
} pool_work;

/** Workers are asked to stop through their watcher. */
static int watch(void *context, const shn_progress *progress)
{
    (void)progress;
    return atomic_load(&((pool_work *)context)->stop);
}

static shn_status read_done(xp_run *run, int *done, shn_error *err)
{
    char path[SHN_PATH_MAX];
    *done = 0;
    shn_status st = xp_run_path(run, "done.json", path, err);
    if (st != SHN_OK || !shn_path_exists(path)) return st;
    json_t *doc = json_load_file(path, 0, NULL);
    const char *digest = json_string_value(json_object_get(doc, "digest"));
    *done = digest && strcmp(digest, run->digest) == 0;
    run->seconds = json_number_value(json_object_get(doc, "seconds"));
    json_decref(doc);
    return SHN_OK;
}

static shn_status write_done(xp_run *run, shn_error *err)
{
    char  path[SHN_PATH_MAX];
    json_t *doc = json_pack("{s:i, s:s, s:f}", "schema_version", 1, "digest", run->digest, "seconds", run->seconds);
    char *text = doc ? json_dumps(doc, JSON_INDENT(1)) : NULL;
    json_decref(doc);
    shn_status st = text ? xp_run_path(run, "done.json", path, err) : shn_fail_nomem(err, "experiment");
    if (st == SHN_OK) st = shn_file_write(path, text, strlen(text), err);
    free(text);
    return st;
}

static shn_status fit_and_write(const shn_cohort *c, shn_model *m, const shn_train_config *config, const xp_run *run, const shn_watcher *watcher, shn_error *err)
{
    char path[SHN_PATH_MAX];
    shn_engine_options o;
    shn_train_engine(config, &o);
    shn_status st = shn_model_fit_val(m, c, &o, watcher, err);
    if (st == SHN_OK) st = xp_run_path(run, "model.safetensors", path, err);
    return st == SHN_OK ? shn_model_write(m, path, err) : st;
}

static shn_status do_run(pool_work *w, xp_run *run, shn_error *err)
{
    const xp_plan     *p = w->g->plan;
    const xp_system   *s = &p->systems[run->system];
    const shn_watcher  watcher = { watch, w };
    const double       started = now();
    shn_train_config   config;
    shn_vectors       *own = NULL;
    shn_model         *model = NULL;
    int                done = 0;
    shn_status st = read_done(run, &done, err);
    if (st != SHN_OK || done) return st;
    st = xp_train_config(p, s, p->seeds[run->seed], run->part, &config, err);
    shn_cohort *const cohort = xp_training_cohort(p, s, run->part);
    const xp_text *text = s->text < p->n_texts ? &p->texts[s->text] : NULL;
    if (st == SHN_OK && text && !text->open) st = shn_vectors_hash(text->hash, config.seed, &own, err);
    if (st == SHN_OK) st = shn_dir_make(run->folder, err);
    if (st == SHN_OK) st = shn_train(cohort, text ? (text->open ? text->open : own) : NULL, &config, run->folder, &watcher, &model, err);
    if (st == SHN_OK) st = fit_and_write(cohort, model, &config, run, &watcher, err);
    run->seconds = now() - started;     /* of this process: a run that was resumed says less than it took */
    if (st == SHN_OK) st = write_done(run, err);
    shn_model_free(model);
    shn_vectors_free(own);
    return st;
}

static void *work(void *context)
{
    pool_work *w = context;
    for (size_t i; !atomic_load(&w->stop) && (i = atomic_fetch_add(&w->next, 1)) < w->g->n_runs;) {
        shn_error    err = { .status = SHN_OK };
        const shn_status st = do_run(w, &w->g->runs[i], &err);
        pthread_mutex_lock(&w->lock);
        if (st != SHN_OK) {
            shn_error_prefix(&err, "run '%.60s' seed %" PRIu64, w->g->plan->systems[w->g->runs[i].system].name, w->g->plan->seeds[w->g->runs[i].seed]);
            if (w->error.status == SHN_OK) w->error = err;
            atomic_store(&w->stop, 1);
        }
        snprintf(w->last, sizeof w->last, "%.80s", w->g->plan->systems[w->g->runs[i].system].name);
        atomic_fetch_add(&w->done, 1);
        pthread_cond_signal(&w->changed);
        pthread_mutex_unlock(&w->lock);
    }
    pthread_mutex_lock(&w->lock);
    w->n_working--;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/** Waits for the workers and tells the watcher, whose thread this is, a few times a second. */
static int oversee(pool_work *w, const shn_watcher *watcher)
{
    int asked = 0, busy = 1;
    while (busy) {
        struct timespec until;
        char            last[96];
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 250000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_mutex_lock(&w->lock);
        if (w->n_working) pthread_cond_timedwait(&w->changed, &w->lock, &until);
        busy = w->n_working > 0;
        strcpy(last, w->last);
        pthread_mutex_unlock(&w->lock);
        const shn_progress p = { .what = "runs", .done = atomic_load(&w->done), .total = w->g->n_runs, .unit = "runs", .detail = last };
        if (watcher->fn && watcher->fn(watcher->context, &p) != 0) {
            asked = 1;
            atomic_store(&w->stop, 1);
        }
    }
    return asked;
}

shn_status xp_grid_run(xp_grid *g, unsigned n_workers, const shn_watcher *watcher, shn_error *err)
{
    pool_work w = { .g = g, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    pthread_t threads[SHN_THREADS_MAX];
    unsigned  started = 0, wanted = n_workers ? n_workers : shn_cores();
    if (wanted > SHN_THREADS_MAX) wanted = SHN_THREADS_MAX;
    if (wanted > g->n_runs) wanted = (unsigned)g->n_runs;
    pthread_mutex_lock(&w.lock);        /* nobody counts itself out before all are counted in */
    while (started < wanted && pthread_create(&threads[started], NULL, work, &w) == 0) started++;
    w.n_working = started;
    pthread_mutex_unlock(&w.lock);
    if (started == 0) return shn_fail_nomem(err, "experiment.threads");
    const int asked = oversee(&w, watcher);
    for (unsigned i = 0; i < started; i++) pthread_join(threads[i], NULL);
    if (asked) return shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "experiment", "stopped after %zu of %zu runs; the same command goes on", (size_t)atomic_load(&w.done), g->n_runs);
    if (w.error.status != SHN_OK && err) *err = w.error;
    return w.error.status;
}
