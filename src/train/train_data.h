/** The training records of a cohort: which rows, their labels (perhaps permuted), counts, and the scale of their voltages. */
#ifndef SHN_TRAIN_DATA_H
#define SHN_TRAIN_DATA_H

#include "shinden/cohort.h"
#include "shinden/train.h"
#include "train/reports.h"
#include "train/sets.h"

typedef struct shn_train_data {
    const shn_cohort *cohort;
    size_t    n, K, n_left_out;         /* records that take part; left out: nothing is known of them and no report is read */
    size_t    n_coded;                  /* of n: something is known of them */
    uint32_t *rows;                     /* [n] rows of the cohort */
    uint8_t  *label, *known;            /* [n][K]; label is 0 where known is 0 */
    uint8_t  *left_out;                 /* [K] 1: its labels count as unknown here */
    uint32_t *n_pos, *n_known;          /* [K] */
    uint32_t  lead_present;             /* bit per lead that any record has */
    float     scale_per_mv;             /* 1 / sd of the voltages, from up to 512 records spread evenly */
    char      digest[65];               /* shn_cohort_digest of the rows */
    shn_sets  sets;
    shn_reports reports;                /* empty unless config->sentences */
} shn_train_data;

/**
 * Errors  SHN_RANGE     no such split, a finding to leave out that the cohort has not, fewer than two records of which anything is known (or has
 *                       a report, with sentences), fewer to draw from than config->coded, sentences without a report
 *         SHN_MISMATCH  (patient_overlap) a patient of the split is in another one too; up to three are named
 */
SHN_NODISCARD shn_status shn_train_data_load(const shn_cohort *c, const shn_train_config *config, shn_train_data *out, shn_error *err);
void shn_train_data_free(shn_train_data *d);            /* safe on a zeroed one */

/** Records of a split without their labels: what pre-training reads. */
typedef struct shn_train_unlabelled { size_t n; uint32_t *rows; float scale_per_mv; uint32_t lead_present; } shn_train_unlabelled;
/** Scale and leads as above. rows are the caller's (free()). Errors  SHN_RANGE no such split;  SHN_MISMATCH (patient_overlap);  SHN_NOMEM */
SHN_NODISCARD shn_status shn_train_unlabelled_load(const shn_cohort *c, const char *split, shn_train_unlabelled *out, shn_error *err);

#endif
