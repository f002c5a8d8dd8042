/* Headers first: rate and length of every record where the layout needs them, and for walked folders what the files say
 * about themselves. A WFDB header is peeked at; other formats have no cheap header and are read. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/threads.h"
#include "data/peek.h"
#include "data/plan.h"
#include "shinden/format.h"

typedef struct scan {
    shn_collection_data *c;
    atomic_size_t        next;
    pthread_mutex_t      lock;                  /* guards the pool */
    atomic_int           out_of_memory, stop;
} scan;

static const char *locked_copy(scan *s, const char *text)
{
    pthread_mutex_lock(&s->lock);
    const char *copy = shn_pool_add(&s->c->pool, text, strlen(text));
    pthread_mutex_unlock(&s->lock);
    if (!copy) atomic_store(&s->out_of_memory, 1);
    return copy ? copy : "";
}

/** Without a table the file says who this is. */
static void take_meta(scan *s, shn_entry *e, const shn_record_meta *meta)
{
    if (s->c->n_tables) return;
    if (*meta->patient) e->patient = locked_copy(s, meta->patient);
    if (*meta->acquired) e->acquired = locked_copy(s, meta->acquired);
    e->age = meta->age_years >= 0 && meta->age_years <= 130 ? (float)meta->age_years : NAN;
    e->sex = meta->sex;
}

/** Labels that stand beside the record; without them it has none, so it is refused. */
static void read_marks(scan *s, shn_entry *e, const char *path)
{
    shn_error err;
    if (!s->c->map->annotations || e->refused != SHN_REASON_NONE || shn_annotations_read(path, s->c->map->annotations, &e->marks, &err) == SHN_OK) return;
    if (err.status == SHN_NOMEM) atomic_store(&s->out_of_memory, 1);
    e->refused = err.reason;
    e->detail = locked_copy(s, err.text);
}

/** The long way, without most samples: formats that decode only what is asked give their first one, others decode all. */
static void read_whole(scan *s, shn_entry *e, const char *path)
{
    shn_error          err;
    shn_record        *rec = NULL;
    shn_format_options options;
    char               labels[SHN_PEEK_LABELS_MAX];
    shn_format_defaults(&options);
    options.raw_microvolts = s->c->map->raw_microvolts;
    options.verify_checksums = 0;               /* the import itself verifies them */
    options.max_samples = 1;
    if (shn_record_read(path, &options, &rec, &err) != SHN_OK) {
        if (err.status == SHN_NOMEM) atomic_store(&s->out_of_memory, 1);       /* no fault of the file */
        e->refused = err.reason;
        e->detail = locked_copy(s, err.text);
        return;
    }
    e->fs_hz = shn_record_fs_hz(rec);
    const size_t total = shn_record_meta_of(rec)->total_samples, n = total ? total : shn_record_n_samples(rec);
    e->n_samples = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
    shn_join_labels(rec, labels, sizeof labels);
    e->header_labels = locked_copy(s, labels);
    take_meta(s, e, shn_record_meta_of(rec));
    shn_record_free(rec);
}

static void scan_one(scan *s, shn_entry *e)
{
    char      path[SHN_PATH_MAX];
    shn_peek  peek;
    shn_error err;
    if (e->refused != SHN_REASON_NONE) return;
    if (shn_entry_path(s->c, e, path, &err) != SHN_OK) {
        e->refused = err.reason;
        e->detail = locked_copy(s, err.text);
    } else if (shn_peek_header(path, &peek)) {
        e->fs_hz = peek.fs_hz;
        e->n_samples = (uint32_t)peek.n_samples;
        e->header_labels = locked_copy(s, peek.labels);
        take_meta(s, e, &peek.meta);
    } else read_whole(s, e, path);
    read_marks(s, e, path);
}

static void scan_some(void *context, unsigned thread, unsigned n_threads)
{
    scan *s = context;
    (void)thread;
    (void)n_threads;
    for (size_t i; !atomic_load(&s->stop) && (i = atomic_fetch_add(&s->next, 1)) < s->c->n_entries;) scan_one(s, &s->c->entries[i]);
}

static int header_labels(const shn_map *m)
{
    for (size_t g = 0; g < m->n_labels; g++)
        if (m->labels[g].header) return 1;
    return 0;
}

/** All records that can be read have one rate, or --fs was given. */
static shn_status agree_on_rate(shn_plan *p, const shn_import_options *o, shn_error *err)
{
    const shn_entry *first = NULL;
    p->fs_hz = o->signal.fs_hz;
    if (p->fs_hz > 0) return SHN_OK;
    for (size_t c = 0; c < p->n_collections; c++)
        for (size_t i = 0; i < p->collections[c]->n_entries; i++) {
            const shn_entry *e = &p->collections[c]->entries[i];
            if (e->refused != SHN_REASON_NONE || e->fs_hz <= 0) continue;
            if (!first) first = e;
            if (e->fs_hz != first->fs_hz)
                return shn_fail(err, SHN_MISMATCH, SHN_REASON_FS_MISMATCH, "import", "%s has %g Hz, %s has %g Hz; give one rate for all with --fs",
                                first->path, first->fs_hz, e->path, e->fs_hz);
        }
    if (!first) return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "import", "none of the %zu records could be read; check the folder", p->n_entries);
    p->fs_hz = first->fs_hz;
    return SHN_OK;
}

static shn_status scan_collection(shn_team *team, shn_collection_data *data, shn_error *err)
{
    scan s = { .c = data };
    pthread_mutex_init(&s.lock, NULL);
    shn_team_run(team, scan_some, &s);
    pthread_mutex_destroy(&s.lock);
    return atomic_load(&s.out_of_memory) ? shn_fail_nomem(err, "import.scan") : SHN_OK;
}

/** 1 if labels stand in the files or beside them, and not in the table. */
static int labels_need_files(const shn_collection_data *c) { return c->n_tables == 0 || header_labels(c->map) || c->map->annotations; }

shn_status shn_collection_scan(shn_collection_data *c, const shn_import_options *o, shn_error *err)
{
    shn_team  *team = NULL;
    if (!labels_need_files(c)) return SHN_OK;
    shn_status st = shn_team_new(o->n_threads, &team, err);
    if (st == SHN_OK) st = scan_collection(team, c, err);
    shn_team_free(team);
    return st;
}

shn_status shn_plan_scan(shn_plan *p, const shn_import_options *o, shn_error *err)
{
    shn_team  *team = NULL;
    shn_status st = shn_team_new(o->n_threads, &team, err);
    for (size_t c = 0; st == SHN_OK && c < p->n_collections; c++)
        if (o->signal.fs_hz == 0 || shn_plan_windows_all(p, c) || labels_need_files(p->collections[c])) st = scan_collection(team, p->collections[c], err);
    shn_team_free(team);
    return st == SHN_OK ? agree_on_rate(p, o, err) : st;
}
