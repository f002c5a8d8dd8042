/** The running part of an import: workers that fill rows, and what became of each row. */
#ifndef SHN_DATA_IMPORT_RUN_H
#define SHN_DATA_IMPORT_RUN_H

#include <pthread.h>
#include <stdatomic.h>

#include "data/cohort_writer.h"
#include "data/journal.h"
#include "data/plan.h"

/** What became of a row; detail is borrowed from the run's pool ("" for none). */
typedef struct shn_outcome { uint8_t status, reason; const char *detail; } shn_outcome;

typedef struct shn_run {
    const shn_plan           *plan;
    const shn_import_options *options;
    shn_cohort_writer        *writer;
    shn_journal               journal;
    shn_outcome              *outcomes;         /* [N] */
    shn_pool                  pool;
    /* shared between workers and the caller, under lock */
    pthread_mutex_t           lock;
    pthread_cond_t            changed;
    uint32_t                 *finished;         /* rows done and not yet in the journal */
    size_t                    n_finished;
    size_t                    next_row;
    unsigned                  n_working;
    int                       stop;
    shn_error                 error;            /* the first hard one; status OK: none */
} shn_run;

/** Fills all rows that have no outcome yet. SHN_CANCELLED when the watcher said stop; what was done is in the journal. */
SHN_NODISCARD shn_status shn_run_rows(shn_run *run, shn_error *err);
/** One line per row: path, source, status, reason, detail. Deterministic. */
SHN_NODISCARD shn_status shn_run_manifest(const shn_run *run, const char *path, shn_error *err);
SHN_NODISCARD shn_status shn_run_summary(const shn_run *run, shn_import_summary *out, shn_error *err);

#endif
