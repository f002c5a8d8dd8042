/** The runs of an experiment: cohorts made, systems trained and judged, one thread a run; what is finished is not done again. */
#ifndef SHN_EXPERIMENT_GRID_H
#define SHN_EXPERIMENT_GRID_H

#include "experiment/plan.h"
#include "shinden/progress.h"

/** One training: a system with one seed, or one fold or left-out group of it. */
typedef struct xp_run {
    size_t  system, seed, part;         /* indices */
    char    digest[17];                 /* of all that decides its bits: settings, cohort, texts */
    char   *folder;                     /* DIR/runs/SYSTEM-SEED[-pPART]-DIGEST */
    double  seconds;                    /* of training, as measured when it ran */
} xp_run;

typedef struct xp_grid { const xp_plan *plan; char *folder; xp_run *runs; size_t n_runs; } xp_grid;

/** Makes or opens cohorts and vectors, and lists the runs. The plan's `open` fields are filled. Errors as shn_import, shn_cohort_open, shn_vectors_read. */
SHN_NODISCARD shn_status xp_grid_open(xp_plan *plan, const char *folder, const shn_watcher *watcher, xp_grid *out, shn_error *err);
void xp_grid_close(xp_grid *g);
/**
 * Trains, fits and writes what is not finished yet, n_workers (0: one per core) runs at a time. A killed call goes on from each run's checkpoint.
 * The first run that fails stops the rest; what is finished stays.
 */
SHN_NODISCARD shn_status xp_grid_run(xp_grid *g, unsigned n_workers, const shn_watcher *watcher, shn_error *err);
/** Path of a file of a run, [SHN_PATH_MAX]. */
SHN_NODISCARD shn_status xp_run_path(const xp_run *run, const char *name, char *out, shn_error *err);
/** The run of a system by index of seed and part. */
const xp_run *xp_grid_find(const xp_grid *g, size_t system, size_t seed, size_t part);

#endif
