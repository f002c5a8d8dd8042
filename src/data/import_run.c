/* Workers take records in order and write rows in place. The calling thread journals what they finished: it syncs the
 * cohort first, so the disk works while the workers do, and no worker ever waits for it. */
#include "data/import_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/threads.h"
#include "data/pack.h"
#include "shinden/format.h"
#include "shinden/signal.h"

#define JOURNAL_SECONDS 0.25                    /* at most this much work is done twice after a kill */

/** Samples first .. first + n - 1 of a file. */
typedef struct stretch { size_t first, n; } stretch;

typedef struct worker {
    shn_run          *run;
    shn_label_scratch labels;
    uint8_t          *positive, *known;         /* [K] */
} worker;

static void hard_error(shn_run *run, const shn_error *err)
{
    pthread_mutex_lock(&run->lock);
    if (run->error.status == SHN_OK) run->error = *err;
    run->stop = 1;
    pthread_mutex_unlock(&run->lock);
}

static shn_status finish_row(shn_run *run, size_t row, shn_reason reason, const char *detail, shn_error *err)
{
    char cut[SHN_JOURNAL_DETAIL_MAX];
    snprintf(cut, sizeof cut, "%s", detail);
    pthread_mutex_lock(&run->lock);
    const char *copy = shn_pool_add(&run->pool, cut, strlen(cut));
    if (copy) {
        run->outcomes[row] = (shn_outcome){ .status = reason == SHN_REASON_NONE ? SHN_ROW_KEPT : SHN_ROW_REFUSED, .reason = (uint8_t)reason, .detail = copy };
        run->finished[run->n_finished++] = (uint32_t)row;
    }
    pthread_mutex_unlock(&run->lock);
    return copy ? SHN_OK : shn_fail_nomem(err, "import.row");
}

/** A row from its entry, without signals. */
static void describe(const shn_run *run, size_t row, const shn_record_meta *meta, shn_cohort_row *out)
{
    const shn_entry *e = shn_plan_entry(run->plan, row);
    memset(out, 0, sizeof *out);
    out->id = e->id;
    out->patient = e->patient;
    out->split = e->split;
    out->path = e->path;
    out->report = e->report;
    out->acquired = *e->acquired || !meta ? e->acquired : meta->acquired;
    out->age = isnan(e->age) && meta && meta->age_years >= 0 && meta->age_years <= 130 ? (float)meta->age_years : e->age;
    out->sex = e->sex || !meta ? e->sex : meta->sex;
    out->source = e->source;
    out->window = run->plan->rows[row].window;
}

static shn_status refuse_row(worker *w, size_t row, shn_reason reason, const char *detail, shn_error *err)
{
    shn_cohort_row data;
    describe(w->run, row, NULL, &data);
    data.refused = reason == SHN_REASON_NONE ? SHN_REASON_BAD_VALUE : reason;
    const shn_status st = shn_cohort_writer_row(w->run->writer, row, &data, err);
    return st == SHN_OK ? finish_row(w->run, row, data.refused, detail, err) : st;
}

/** Remarks of the signal path by reason, each once, and the entry's own. */
static void join_notes(const shn_entry *e, const shn_record *rec, char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    if (e->detail) used += (size_t)snprintf(out, size, "%s", e->detail);
    for (size_t i = 0; i < shn_record_n_notes(rec); i++) {
        const shn_reason reason = shn_record_note(rec, i)->reason;
        int seen = 0;
        for (size_t j = 0; j < i; j++) seen |= shn_record_note(rec, j)->reason == reason;
        if (!seen && used < size) used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "; " : "", shn_reason_name(reason));
    }
}

static int all_gaps(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i])) return 0;
    return 1;
}

/** The T samples from `start` of a canonical record become the row. */
static shn_status keep_row(worker *w, size_t row, const shn_record *rec, size_t start, shn_error *err)
{
    const shn_plan *p = w->run->plan;
    shn_cohort_row  data;
    char            notes[SHN_JOURNAL_DETAIL_MAX];
    const size_t    n = shn_record_n_samples(rec), T = p->n_samples;
    if (start >= n) return refuse_row(w, row, SHN_REASON_TRUNCATED, "the record is shorter than its header says", err);
    describe(w->run, row, shn_record_meta_of(rec), &data);
    data.n_samples = n - start < T ? n - start : T;
    for (size_t lead = 0; lead < SHN_LEADS; lead++) {
        const float *x = shn_record_lead(rec, lead) + start;
        data.lead_mv[lead] = all_gaps(x, data.n_samples) ? NULL : x;
    }
    data.labels = w->positive;
    data.known = w->known;
    join_notes(shn_plan_entry(p, row), rec, notes, sizeof notes);
    const shn_status st = shn_cohort_writer_row(w->run->writer, row, &data, err);
    return st == SHN_OK ? finish_row(w->run, row, SHN_REASON_NONE, notes, err) : st;
}

/**
 * Reads and makes canonical, the whole (part NULL: of a long recording what its central window needs) or a part; a record that fails is refused,
 * only want of memory is an error of the whole.
 */
static shn_status read_canonical(const worker *w, const shn_collection_data *c, const shn_entry *e, const stretch *part, shn_record **out, shn_error *err)
{
    const shn_plan    *p = w->run->plan;
    char               path[SHN_PATH_MAX];
    shn_format_options format;
    shn_record        *raw = NULL;
    *out = NULL;
    shn_format_defaults(&format);
    format.raw_microvolts = c->map->raw_microvolts;
    format.verify_checksums = c->map->verify_checksums;
    shn_status st = shn_entry_path(c, e, path, err);
    if (st == SHN_OK && part) {
        format.first_sample = part->first;
        format.max_samples = part->n;
        st = shn_record_read(path, &format, &raw, err);
    } else if (st == SHN_OK && (p->windows_all || c->map->windows_all)) st = shn_record_read(path, &format, &raw, err);
    else if (st == SHN_OK) st = shn_record_read_middle(path, &format, p->seconds + 2 * SHN_MARGIN_SECONDS, &raw, err);
    if (st == SHN_OK) {
        shn_signal_options signal = w->run->options->signal;
        signal.fs_hz = p->fs_hz;
        signal.allow_missing_leads |= c->map->allow_missing_leads;
        if (part) signal.min_seconds = 0;       /* the plan has counted only windows that are long enough */
        st = shn_record_canonical(raw, &signal, out, err);
        if (st != SHN_OK && !strstr(err->text, e->path)) shn_error_prefix(err, "%s", e->path);
    }
    shn_record_free(raw);
    return st;
}

/** Labels of the row's record, or of its window alone where they come from annotations. */
static shn_status label_columns(worker *w, size_t row, shn_error *err)
{
    const shn_plan    *p = w->run->plan;
    const shn_entry   *e = shn_plan_entry(p, row);
    const shn_stretch  part = shn_plan_stretch(p, row);
    const shn_status   st = shn_plan_labels(p, p->rows[row].collection, e, e->marks ? &part : NULL, &w->labels, err);
    for (size_t k = 0; st == SHN_OK && k < p->n_findings; k++) {
        w->positive[k] = w->labels.row.positive[p->column[k]];
        w->known[k] = w->labels.known[p->column[k]];
    }
    return st;
}

/** The file's part for a window of a long recording, and where in it (at the cohort's rate) the window begins. 0: it cannot be cut to whole samples. */
static int stretch_of(const shn_plan *p, const shn_entry *e, uint32_t window, stretch *part, size_t *start)
{
    const unsigned period = shn_common_seconds(e->fs_hz, p->fs_hz);
    if (!period) return 0;
    const double begin = (double)window * (double)p->n_samples / p->fs_hz;
    const double first_s = begin > SHN_MARGIN_SECONDS ? floor((begin - SHN_MARGIN_SECONDS) / period) * period : 0;
    part->first = (size_t)llround(first_s * e->fs_hz);
    part->n = (size_t)ceil((begin - first_s + (double)p->n_samples / p->fs_hz + SHN_MARGIN_SECONDS) * e->fs_hz);
    *start = (size_t)window * p->n_samples - (size_t)llround(first_s * p->fs_hz);
    return 1;
}

static shn_status refuse_windows(worker *w, size_t first, size_t n, const shn_error *why, shn_error *err)
{
    shn_status st = SHN_OK;
    if (why->status == SHN_NOMEM) {
        *err = *why;
        return SHN_NOMEM;
    }
    for (size_t i = 0; st == SHN_OK && i < n; i++)
        if (w->run->outcomes[first + i].status == SHN_ROW_PENDING) st = refuse_row(w, first + i, why->reason, why->text, err);
    return st;
}

/** Window by window, each from its own part of the file: a day of ECG is never held whole. */
static shn_status do_long_record(worker *w, size_t first, size_t n_windows, shn_error *err)
{
    const shn_plan      *p = w->run->plan;
    const shn_entry     *e = shn_plan_entry(p, first);
    shn_status           st = label_columns(w, first, err);
    for (size_t i = 0; st == SHN_OK && i < n_windows; i++) {
        shn_record *rec = NULL;
        shn_error   why;
        stretch     part;
        size_t      start;
        if (w->run->outcomes[first + i].status != SHN_ROW_PENDING) continue;
        if (e->marks && i > 0) st = label_columns(w, first + i, err);
        if (st != SHN_OK) break;
        if (!stretch_of(p, e, p->rows[first + i].window, &part, &start))
            st = refuse_row(w, first + i, SHN_REASON_LIMIT, "too long to hold, and its rate shares no whole second with the cohort's", err);
        else if (read_canonical(w, p->collections[p->rows[first].collection], e, &part, &rec, &why) != SHN_OK) st = refuse_windows(w, first + i, 1, &why, err);
        else st = keep_row(w, first + i, rec, start, err);
        shn_record_free(rec);
    }
    return st;
}

static shn_status do_record(worker *w, size_t first, size_t n_windows, shn_error *err)
{
    const shn_plan     *p = w->run->plan;
    const size_t        collection = p->rows[first].collection;
    const shn_entry    *e = shn_plan_entry(p, first);
    shn_record         *rec = NULL;
    shn_error           why = { .status = SHN_FORMAT, .reason = e->refused };
    if (e->refused != SHN_REASON_NONE) {
        snprintf(why.text, sizeof why.text, "%s", e->detail ? e->detail : "");
        return refuse_windows(w, first, n_windows, &why, err);
    }
    if (n_windows > 1 && e->n_samples > SHN_RECORD_WHOLE_MAX) return do_long_record(w, first, n_windows, err);
    if (read_canonical(w, p->collections[collection], e, NULL, &rec, &why) != SHN_OK) return refuse_windows(w, first, n_windows, &why, err);
    shn_status st = label_columns(w, first, err);
    for (size_t i = 0; st == SHN_OK && i < n_windows; i++) {
        if (w->run->outcomes[first + i].status != SHN_ROW_PENDING) continue;
        if (e->marks && i > 0) st = label_columns(w, first + i, err);
        if (st == SHN_OK)
            st = keep_row(w, first + i, rec, n_windows > 1 ? p->rows[first + i].window * p->n_samples : shn_pack_central_start(rec, p->n_samples), err);
    }
    shn_record_free(rec);
    return st;
}

/** The next record with a row to do; 0: none left. */
static size_t take_record(shn_run *run, size_t *first)
{
    const shn_plan *p = run->plan;
    size_t n = 0;
    pthread_mutex_lock(&run->lock);
    while (!run->stop && run->next_row < p->n_rows && n == 0) {
        const shn_plan_row *r = &p->rows[run->next_row];
        int pending = 0;
        *first = run->next_row;
        while (run->next_row < p->n_rows && p->rows[run->next_row].collection == r->collection && p->rows[run->next_row].entry == r->entry)
            pending |= run->outcomes[run->next_row++].status == SHN_ROW_PENDING;
        if (pending) n = run->next_row - *first;
    }
    pthread_mutex_unlock(&run->lock);
    return n;
}

static void *work(void *context)
{
    shn_run  *run = context;
    shn_error err = { .status = SHN_OK };
    worker    w = { .run = run, .positive = shn_alloc(run->plan->n_findings, 1), .known = shn_alloc(run->plan->n_findings, 1) };
    shn_status st = w.positive && w.known ? shn_label_scratch_new(run->plan, &w.labels, &err) : shn_fail_nomem(&err, "import.worker");
    for (size_t first, n; st == SHN_OK && (n = take_record(run, &first)) > 0;) st = do_record(&w, first, n, &err);
    if (st != SHN_OK) hard_error(run, &err);
    if (w.labels.known) shn_label_scratch_free(&w.labels);
    free(w.positive);
    free(w.known);
    pthread_mutex_lock(&run->lock);
    run->n_working--;
    pthread_cond_signal(&run->changed);
    pthread_mutex_unlock(&run->lock);
    return NULL;
}

/** Syncs the rows finished so far and then says so in the journal. */
static shn_status journal_rows(shn_run *run, shn_journal_entry *entries, shn_error *err)
{
    pthread_mutex_lock(&run->lock);
    const size_t n = run->n_finished;
    for (size_t i = 0; i < n; i++) {
        const shn_outcome *o = &run->outcomes[run->finished[i]];
        entries[i] = (shn_journal_entry){ run->finished[i], (shn_row_status)o->status, (shn_reason)o->reason, o->detail };
    }
    run->n_finished = 0;
    pthread_mutex_unlock(&run->lock);
    if (n == 0) return SHN_OK;
    const shn_status st = shn_cohort_writer_sync(run->writer, err);
    return st == SHN_OK ? shn_journal_append(&run->journal, entries, n, err) : st;
}

/** Waits for the workers, journalling and telling the watcher a few times a second. */
static shn_status oversee(shn_run *run, size_t done, shn_error *err)
{
    shn_status st = SHN_OK;
    shn_journal_entry *entries = shn_alloc(run->plan->n_rows, sizeof *entries);
    int busy = 1, cancelled = 0;
    if (!entries) {
        st = shn_fail_nomem(err, "import.journal");
        hard_error(run, err);
    }
    while (busy) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += (long)(JOURNAL_SECONDS * 1e9);
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_mutex_lock(&run->lock);
        while (run->n_working && pthread_cond_timedwait(&run->changed, &run->lock, &until) == 0) {}
        busy = run->n_working > 0;
        done += run->n_finished;
        pthread_mutex_unlock(&run->lock);
        if (entries && st == SHN_OK) {
            st = journal_rows(run, entries, err);
            if (st != SHN_OK) hard_error(run, err);
        }
        const shn_progress progress = { .what = "import", .done = done < run->plan->n_rows ? done : run->plan->n_rows, .total = run->plan->n_rows, .unit = "records" };
        if (run->options->watcher.fn && run->options->watcher.fn(run->options->watcher.context, &progress) != 0) {
            pthread_mutex_lock(&run->lock);
            run->stop = cancelled = 1;
            pthread_mutex_unlock(&run->lock);
        }
    }
    if (entries && st == SHN_OK) st = journal_rows(run, entries, err);
    free(entries);
    return st == SHN_OK && cancelled
               ? shn_fail(err, SHN_CANCELLED, SHN_REASON_CANCELLED, "import", "stopped; the same command goes on where this one was")
               : st;
}

shn_status shn_run_rows(shn_run *run, shn_error *err)
{
    const unsigned n = run->options->n_threads ? run->options->n_threads : shn_cores();
    pthread_t      threads[SHN_THREADS_MAX];
    unsigned       started = 0;
    size_t         done = 0;
    for (size_t r = 0; r < run->plan->n_rows; r++) done += run->outcomes[r].status != SHN_ROW_PENDING;
    run->n_working = n < SHN_THREADS_MAX ? n : SHN_THREADS_MAX;
    const unsigned wanted = run->n_working;
    while (started < wanted && pthread_create(&threads[started], NULL, work, run) == 0) started++;
    if (started < wanted) {
        pthread_mutex_lock(&run->lock);
        run->n_working -= wanted - started;
        pthread_mutex_unlock(&run->lock);
    }
    shn_status st = started ? oversee(run, done, err) : shn_fail_nomem(err, "import.threads");
    for (unsigned i = 0; i < started; i++) pthread_join(threads[i], NULL);
    if (run->error.status != SHN_OK) {          /* what a worker met first explains the rest */
        if (err) *err = run->error;
        st = run->error.status;
    }
    return st;
}
