/**
 * A cohort: a packed, labelled set of canonical records in one HDF5 file (fields: docs/cohort.md). The reader maps the
 * signals, so a cohort larger than memory costs none; everything else is small and read at opening.
 */
#ifndef SHINDEN_COHORT_H
#define SHINDEN_COHORT_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/findings.h"
#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_GAP_I16 (-32768)                    /**< sample value of a gap */

typedef enum shn_row_status { SHN_ROW_PENDING = 0, SHN_ROW_KEPT = 1, SHN_ROW_REFUSED = 2 } shn_row_status;

typedef struct shn_cohort shn_cohort;

/**
 * Opens for reading; kept rows only are counted and numbered (refused ones stay in the file and the manifest).
 * Errors  SHN_FORMAT  not a cohort, a field missing or of the wrong shape, signals outside the file;  SHN_IO; SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_cohort_open(const char *path, shn_cohort **out, shn_error *err);
void        shn_cohort_close(shn_cohort *c);                            /**< accepts NULL */
const char *shn_cohort_path(const shn_cohort *c);
size_t      shn_cohort_size(const shn_cohort *c);                       /**< kept records */
size_t      shn_cohort_n_samples(const shn_cohort *c);                  /**< T */
double      shn_cohort_fs_hz(const shn_cohort *c);
float       shn_cohort_uv_per_unit(const shn_cohort *c);
size_t      shn_cohort_n_findings(const shn_cohort *c);                 /**< K */
const char *shn_cohort_finding_id(const shn_cohort *c, size_t k);
/**
 * Borrowed, with the cohort: finding k as the built-in registry has it; one that it lacks (a user's, import --registry) as the import's registry had it,
 * names, criteria, scp, snomed, cinc and flags; in a cohort that does not say (an older one) both names are its id.
 */
const shn_finding *shn_cohort_finding(const shn_cohort *c, size_t k);
/** Borrowed [12][T] int16, mapped from the file. */
const int16_t *shn_cohort_signal(const shn_cohort *c, size_t record);
/** Borrowed [12] uV to add to each lead (0 nearly always). */
const float   *shn_cohort_offset_uv(const shn_cohort *c, size_t record);
size_t         shn_cohort_n_valid(const shn_cohort *c, size_t record);  /**< leading samples that were recorded */
/** Borrowed [12]: 1 recorded or derived, 0 missing. */
const uint8_t *shn_cohort_lead_present(const shn_cohort *c, size_t record);
/** Borrowed [K] each. */
const uint8_t *shn_cohort_labels(const shn_cohort *c, size_t record);
const uint8_t *shn_cohort_known(const shn_cohort *c, size_t record);
const char *shn_cohort_id(const shn_cohort *c, size_t record);
const char *shn_cohort_patient(const shn_cohort *c, size_t record);     /**< empty: unknown (the record is its own patient) */
const char *shn_cohort_source(const shn_cohort *c, size_t record);
const char *shn_cohort_split(const shn_cohort *c, size_t record);
const char *shn_cohort_record_path(const shn_cohort *c, size_t record);
const char *shn_cohort_report(const shn_cohort *c, size_t record);      /**< free text, may be empty */
char        shn_cohort_sex(const shn_cohort *c, size_t record);         /**< 'M', 'F', 0 */
float       shn_cohort_age(const shn_cohort *c, size_t record);         /**< NaN unknown */
/** Root attribute as text ("command", "registry_version", "simulated" ...); empty if absent. Borrowed. */
const char *shn_cohort_attribute(const shn_cohort *c, const char *name);
/**
 * Kept records of one split in file order ("all": every one).
 * @param[out] rows  owned by the caller (free()); SHN_RANGE (no_split) names the splits there are when none matches
 */
SHN_NODISCARD shn_status shn_cohort_split_rows(const shn_cohort *c, const char *split, uint32_t **rows, size_t *n,
                                               shn_error *err);
/** 1 if any record is in the split. */
int shn_cohort_has_split(const shn_cohort *c, const char *split);
/**
 * Regards the cohort as one round of a cross-validation inside some of its splits: their patients are dealt into n_folds parts, those of part `held` are then
 * in split "val", the others in "train", and every other record in no split at all. What reads a cohort by split needs to know nothing of it.
 * @param pool     the splits whose records take part: "train", or several as "train+val"
 * @param n_folds  2 or more; parts differ by one patient at most;  held < n_folds;  seed deals the patients
 * Errors  SHN_RANGE  no record in the pool, fewer patients than folds, a number out of range (the cohort is as it was);  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_cohort_cross_validate(shn_cohort *c, const char *pool, unsigned n_folds, unsigned held, uint64_t seed, shn_error *err);
/** Numbers patients of rows 0..n-1 densely (unknown ones each their own): patient[i] < *n_patients. */
SHN_NODISCARD shn_status shn_cohort_patients(const shn_cohort *c, const uint32_t *rows, size_t n, uint32_t *patient,
                                             size_t *n_patients, shn_error *err);
/** SHA-256 (hex) over what training reads: finding ids, of those that the program does not know also names, criteria, codes and flags;
    the rows' ids, labels, known flags and signals. */
SHN_NODISCARD shn_status shn_cohort_digest(const shn_cohort *c, const uint32_t *rows, size_t n, char hex[65], shn_error *err);

/**
 * Packs one canonical lead: mV to int16 steps of uv_per_unit, NaN to the gap, saturation counted, an offset taken out
 * where the lead would saturate only for its offset.
 */
void shn_cohort_pack_lead(const float *mv, size_t n, float uv_per_unit, int16_t *out, uint32_t *n_clipped, float *offset_uv);

#ifdef __cplusplus
}
#endif
#endif
