/**
 * Writing a cohort file. The layout is made at once from the sizes, rows then go in place in any order and from any
 * thread, and only a finished file gets its name; until then it is PATH.part.
 *
 *     const char *findings[] = { "atrial_fibrillation", "sinus_rhythm" };
 *     shn_cohort_spec spec = { .path = "c.h5", .n_rows = 2, .n_samples = 1000, .fs_hz = 100,
 *                              .finding_ids = findings, .n_findings = 2 };
 *     shn_cohort_writer *w;
 *     shn_cohort_writer_new(&spec, &w, &err);
 *     for (size_t i = 0; i < 2; i++) {
 *         shn_cohort_row row = { .n_samples = 1000, .labels = labels[i], .known = known[i], .id = ids[i],
 *                                .patient = "p1", .split = "train", .age = NAN };
 *         for (int lead = 0; lead < 12; lead++) row.lead_mv[lead] = mv[i][lead];
 *         shn_cohort_writer_row(w, i, &row, &err);
 *     }
 *     shn_cohort_writer_finish(w, &err);
 *     shn_cohort_writer_free(w);
 */
#ifndef SHN_DATA_COHORT_WRITER_H
#define SHN_DATA_COHORT_WRITER_H

#include "base/h5.h"
#include "shinden/cohort.h"
#include "shinden/signal.h"

#define SHN_COHORT_TEXT_MAX 8192                /* bytes of one text with its terminator: longer ones are cut at a character */

typedef struct shn_cohort_spec {
    const char *path;
    size_t      n_rows, n_samples;              /**< N, T: both > 0, below 2^31 */
    double      fs_hz;
    float       uv_per_unit;                    /**< 0: 1 uV, as docs/cohort.md says */
    const char *const *finding_ids;
    const shn_finding *const *findings;         /**< [K] what is said of them beside their ids; NULL: nothing */
    size_t      n_findings;                     /**< K > 0 */
    const char *const *source_names;            /**< NULL: one source, "unnamed" */
    size_t      n_sources;
    /** Bytes of a text field, terminator included; 0: the default. Longer texts are cut. */
    size_t      id_bytes, patient_bytes, split_bytes, path_bytes, report_bytes;     /* 64, 64, 16, 256, 1024 */
    const shn_h5_attribute *attributes;         /**< beyond schema_version, fs, leads, uv_per_unit, which are always written */
    size_t      n_attributes;
    const uint8_t *no_signal;                   /**< [N] 1: no signals will be written, no space is reserved; NULL: none */
    int         resume;                         /**< 1: PATH.part exists with this very layout and is gone on with */
} shn_cohort_spec;

/** One row; texts may be NULL (empty). Everything is borrowed for the call. */
typedef struct shn_cohort_row {
    const float   *lead_mv[SHN_LEADS];          /**< n_samples mV each, NaN: gap; NULL: the lead is missing (all gaps) */
    size_t         n_samples;                   /**< at most T; the rest of the row becomes gaps */
    const uint8_t *labels, *known;              /**< [K] of 0 and 1; NULL: all 0 */
    const char    *id, *patient, *split, *path, *report, *acquired;
    size_t         source;                      /**< < S */
    uint32_t       window;
    float          age;                         /**< NaN unknown */
    char           sex;                         /**< 'M', 'F' or 0 */
    shn_reason     refused;                     /**< not NONE: a refused row, whose signals are not written */
} shn_cohort_row;

typedef struct shn_cohort_writer shn_cohort_writer;

/**
 * Makes PATH.part with all space reserved (a full disk is found here), or opens it again with resume.
 * Errors  SHN_RANGE (limit) a size out of range, a name empty or double; SHN_IO (disk_full, no_permission ...); SHN_NOMEM;
 *         with resume SHN_MISMATCH the file there has another layout
 */
SHN_NODISCARD shn_status shn_cohort_writer_new(const shn_cohort_spec *spec, shn_cohort_writer **out, shn_error *err);
/** Writes row < N. Different rows may be written by different threads at once. Errors SHN_RANGE, SHN_IO, SHN_NOMEM. */
SHN_NODISCARD shn_status shn_cohort_writer_row(shn_cohort_writer *w, size_t row, const shn_cohort_row *data, shn_error *err);
/** What is written so far is safe against a power cut. */
SHN_NODISCARD shn_status shn_cohort_writer_sync(shn_cohort_writer *w, shn_error *err);
/** Syncs and gives the file its name. Rows never written read as pending, and readers do not count them. */
SHN_NODISCARD shn_status shn_cohort_writer_finish(shn_cohort_writer *w, shn_error *err);
/** Leaves PATH.part where it is for a later resume (import), where free would remove it. */
void shn_cohort_writer_keep(shn_cohort_writer *w);
/** Accepts NULL. Without a finish (or keep) the file being written is removed. */
void shn_cohort_writer_free(shn_cohort_writer *w);

#endif
