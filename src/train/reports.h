/** What the training records' reports say: their distinct sentences, and which one a record shows in an epoch. */
#ifndef SHN_TRAIN_REPORTS_H
#define SHN_TRAIN_REPORTS_H

#include "shinden/cohort.h"

typedef struct shn_reports {
    size_t    n;                        /* distinct sentences, sorted by text */
    char    **text;                     /* [n] */
    uint32_t *count, *n_patients;       /* [n] records, and patients who have a name in the cohort, whose reports have it */
    size_t    n_records;
    size_t   *first;                    /* [n_records + 1] into `sentence` */
    uint32_t *sentence;                 /* [first[n_records]] the records' sentences, numbers ascending within a record */
} shn_reports;

/** Splits the reports of rows [n_records] of a cohort. Errors  SHN_FORMAT, SHN_RANGE (the record is named), SHN_NOMEM */
SHN_NODISCARD shn_status shn_reports_new(const shn_cohort *c, const uint32_t *rows, size_t n_records, shn_reports *out, shn_error *err);
void shn_reports_free(shn_reports *reports);            /* safe on a zeroed one */
/**
 * The sentence of a record in an epoch, drawn with weight count^-1/2 among its own, so that "normal ECG" does not drown the rest. A function
 * of (seed, epoch, record) alone. SHN_NO_GROUP (loss.h) where the record has no sentence.
 */
uint32_t shn_reports_draw(const shn_reports *reports, uint64_t seed, uint64_t epoch, size_t record);

#endif
