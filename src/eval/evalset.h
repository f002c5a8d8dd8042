/** A split of a cohort as a model sees it: labels in the model's order of findings, patients, and the windows' embeddings. */
#ifndef SHN_EVAL_EVALSET_H
#define SHN_EVAL_EVALSET_H

#include "shinden/cohort.h"
#include "shinden/embed.h"
#include "shinden/metrics.h"

typedef struct evalset {
    const shn_model  *model;
    const shn_cohort *cohort;
    uint32_t *rows;             /* [n] rows of the cohort */
    size_t    n, K;
    uint8_t  *label, *known;    /* [n][K] in the model's order; a finding that the cohort lacks is unknown everywhere */
    uint32_t *patient;          /* [n] dense numbers */
    size_t    n_patients;
    size_t    n_shared, n_cohort_only;      /* findings in both; findings of the cohort that the model does not have */
    float    *z;                /* [n][n_windows][E] */
} evalset;

/** Errors  SHN_MISMATCH no finding in common, another rate;  SHN_RANGE no such split;  SHN_NOMEM, SHN_DEVICE, SHN_CANCELLED. */
SHN_NODISCARD shn_status evalset_open(const shn_model *m, shn_engine *eng, const shn_cohort *c, const char *split,
                                      const shn_watcher *watcher, evalset *out, shn_error *err);
/** The same without embedding (z NULL), for controls. */
SHN_NODISCARD shn_status evalset_open_labels(const shn_model *m, const shn_cohort *c, const char *split, evalset *out, shn_error *err);
void evalset_close(evalset *s);

/** First 16 hex digits of the SHA-256 of source, '/' and id: how a model file remembers records without naming them. 0: out of memory. */
int  evalset_record_hash(const shn_cohort *c, size_t row, char hex[17]);

#endif
