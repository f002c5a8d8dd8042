/**
 * Rows of whole jobs: import of simulated records from a warm cache, and the time from the program's start to its first
 * prediction with the model read from disk. Everything is made in a temporary folder and removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/random.h"
#include "base/threads.h"
#include "cli/bench_rows.h"
#include "shinden/import.h"
#include "shinden/model.h"
#include "shinden/simulate.h"

enum { RECORDS = 600, RECORDS_QUICK = 100, IMPORT_ROUNDS = 5, START_ROUNDS = 15, FINDINGS = 71 };

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

static void remove_folder(const char *folder) { (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

static shn_status make_folder(char folder[SHN_PATH_MAX], shn_error *err)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, SHN_PATH_MAX, "%s/shinden-bench-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(folder) ? SHN_OK : shn_fail_errno(err, errno, "bench", folder);
}

/* ---- import ---- */

static shn_status import_once(const char *folder, double fs_hz, unsigned threads, double *seconds, size_t *n_kept, shn_error *err)
{
    char map[SHN_PATH_MAX], cohort[SHN_PATH_MAX];
    shn_import_options o;
    shn_import_summary summary = { 0 };
    shn_status st = shn_path_join(map, folder, "mapping.yaml", err);
    if (st == SHN_OK) st = shn_path_join(cohort, folder, "bench.h5", err);
    if (st != SHN_OK) return st;
    const shn_collection collection = { .map_path = map, .folder = folder };
    shn_import_defaults(&o);
    o.n_threads = threads;
    o.signal.fs_hz = fs_hz;
    const double start = bench_now();
    st = shn_import(&collection, 1, cohort, &o, &summary, err);
    *seconds = bench_now() - start;
    *n_kept = summary.n_kept;
    shn_import_summary_free(&summary);
    unlink(cohort);
    return st;
}

static shn_status import_row(bench_run *run, const char *name, const char *folder, double fs_hz, shn_error *err)
{
    bench_row  row = { .unit = "records/s", .threads = run->threads_all, .ratio = NAN, .peak_fraction = NAN, .bandwidth_fraction = NAN };
    double     times[IMPORT_ROUNDS];
    size_t     n_kept = 0;
    shn_status st = SHN_OK;
    if (!bench_wants(run, name)) return SHN_OK;
    snprintf(row.name, sizeof row.name, "%s", name);
    snprintf(row.isa, sizeof row.isa, "any");
    for (int round = 0; round < IMPORT_ROUNDS && st == SHN_OK; round++) {
        st = bench_tell(run, name, err);
        if (st == SHN_OK) st = import_once(folder, fs_hz, run->threads_all, &times[round], &n_kept, err);
    }
    if (st != SHN_OK) return st;
    row.value = (double)n_kept / bench_median(times, IMPORT_ROUNDS, &row.spread);
    return bench_add(run, &row, err);
}

static shn_status import_rows(bench_run *run, shn_error *err)
{
    char folder[SHN_PATH_MAX];
    shn_simulate_options o;
    if (!bench_wants(run, "import_12x5000") && !bench_wants(run, "import_12x5000_to_100hz")) return SHN_OK;
    shn_status st = make_folder(folder, err);
    if (st != SHN_OK) return st;
    shn_simulate_defaults(&o);
    o.n_records = run->quick ? RECORDS_QUICK : RECORDS;
    o.fs_hz = 500;
    st = shn_simulate_write(&o, "train", folder, err);
    if (st == SHN_OK) st = import_row(run, "import_12x5000", folder, 0, err);
    if (st == SHN_OK) st = import_row(run, "import_12x5000_to_100hz", folder, 100, err);
    remove_folder(folder);
    return st;
}

/* ---- start to first prediction ---- */

/** A bce model of the default net at full width with random weights: what counts is its size, not its sense. */
static shn_status write_model(const char *path, shn_error *err)
{
    shn_encoder_config config;
    shn_model *m;
    shn_rng    r = shn_rng_stream(1, 2, 3, 4);
    shn_encoder_defaults(&config);
    shn_status st = shn_model_new(&config, FINDINGS, 0, &m, err);
    if (st != SHN_OK) return st;
    shn_encoder_init(&m->encoder, 1, m->params, m->state);
    for (size_t i = 0; i < FINDINGS * m->E; i++) m->head_weight[i] = (float)shn_rng_normal(&r);
    int ok = 1;
    for (size_t k = 0; k < FINDINGS; k++) {
        char id[32];
        snprintf(id, sizeof id, "finding_%zu", k);
        m->finding_id[k] = shn_strdup(id);
        m->name_en[k] = shn_strdup(id);
        m->name_ja[k] = shn_strdup("所見");
        m->codes[k] = shn_strdup("");
        ok &= m->finding_id[k] && m->name_en[k] && m->name_ja[k] && m->codes[k];
    }
    snprintf(m->loss, sizeof m->loss, "bce");
    m->input = (shn_input){ .fs_hz = 100, .n_samples = 1000, .window = 250, .n_windows = 7, .scale_per_mv = 4, .lead_present = 0xfff };
    m->readouts = 1u << SHN_READOUT_LOGIT;
    m->readout_default = SHN_READOUT_LOGIT;
    st = ok ? shn_model_write(m, path, err) : shn_fail_nomem(err, "bench");
    shn_model_free(m);
    return st;
}

/** One run of this very program: from fork to its end, its output thrown away. */
static shn_status predict_once(const char *model, const char *record, double *seconds, shn_error *err)
{
    int status;
    const double start = bench_now();
    const pid_t  child = fork();
    if (child < 0) return shn_fail_errno(err, errno, "bench", "fork");
    if (child == 0) {
        const int null = open("/dev/null", O_WRONLY);
        if (null >= 0) dup2(null, STDOUT_FILENO);
        execl("/proc/self/exe", "shinden", "predict", model, record, "--json", (char *)NULL);
        _exit(127);
    }
    if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return shn_fail(err, SHN_IO, SHN_REASON_READ_ERROR, "bench", "predicting in a process of its own failed; try 'shinden predict' by hand");
    *seconds = bench_now() - start;
    return SHN_OK;
}

static shn_status start_row(bench_run *run, shn_error *err)
{
    static const char name[] = "start_to_first_prediction";
    char       folder[SHN_PATH_MAX], model[SHN_PATH_MAX], record[SHN_PATH_MAX];
    double     times[START_ROUNDS];
    bench_row  row = { .unit = "ms", .threads = run->threads_all, .ratio = NAN, .peak_fraction = NAN, .bandwidth_fraction = NAN };
    shn_simulate_options o;
    if (!bench_wants(run, name)) return SHN_OK;
    shn_status st = make_folder(folder, err);
    if (st != SHN_OK) return st;
    snprintf(row.name, sizeof row.name, "%s", name);
    snprintf(row.isa, sizeof row.isa, "any");
    shn_simulate_defaults(&o);
    o.n_records = 1;
    o.seed = 1;
    st = shn_path_join(model, folder, "model.safetensors", err);
    if (st == SHN_OK) st = shn_path_join(record, folder, "records", err);
    if (st == SHN_OK) st = write_model(model, err);
    if (st == SHN_OK) st = shn_simulate_write(&o, "train", folder, err);
    for (int round = 0; round < START_ROUNDS && st == SHN_OK; round++) {
        st = bench_tell(run, name, err);
        if (st == SHN_OK) st = predict_once(model, record, &times[round], err);
    }
    remove_folder(folder);
    if (st != SHN_OK) return st;
    row.value = 1e3 * bench_median(times, START_ROUNDS, &row.spread);
    return bench_add(run, &row, err);
}

shn_status bench_program(bench_run *run, shn_error *err)
{
    const shn_status st = import_rows(run, err);
    return st == SHN_OK ? start_row(run, err) : st;
}
