/**
 * Looking at an ECG file before it is used: what it is, what it says about itself, and what gives reason to doubt. A recording of any length is
 * read in parts and never held whole.
 */
#ifndef SHINDEN_CHECK_H
#define SHINDEN_CHECK_H

#include "shinden/format.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_CHECK_FIRST 10                      /**< samples of each lead that are shown */
#define SHN_CHECK_PART_SAMPLES ((size_t)1 << 20) /**< of all leads together, held at a time */

typedef enum shn_check_status {
    SHN_CHECK_OK,           /**< read, nothing doubted */
    SHN_CHECK_WARN,         /**< read, with doubts: the reasons */
    SHN_CHECK_REFUSED       /**< not read, or no voltage known: the reasons say why */
} shn_check_status;
/** "ok" "warn" "refused" */
const char *shn_check_status_name(shn_check_status status);

typedef struct shn_check_reason { shn_reason reason; char text[448]; } shn_check_reason;

/** A stored lead. Signals that are declared as something else than a voltage are left out. */
typedef struct shn_check_lead {
    char            name[32];                   /**< canonical where it is one of the twelve, else the file's own */
    shn_unit_origin unit;
    double          gain_adu_per_mv;            /**< as stored; 0 unknown */
    float           min_mv, max_mv;             /**< NaN when all gaps */
    float           first_mv[SHN_CHECK_FIRST];  /**< NaN: gap */
    size_t          n_first;
    size_t          n_missing;                  /**< samples that are gaps */
    size_t          n_clipped;                  /**< samples at the limit of the recorder; twelve leads only */
    int             flat;                       /**< 1: no variation over 1 uV */
    float           noise_uv;                   /**< NaN unknown; twelve leads only; the median over parts */
} shn_check_lead;

typedef struct shn_check {
    shn_check_status  status;
    char              format[48];               /**< name of the format, "muse_xml"; "" if none was recognised */
    char              variant[48];              /**< with its variant, "scp 1.3 huffman"; as the reader says */
    shn_check_reason *reasons;                  /**< [n_reasons] */
    size_t            n_reasons;
    double            fs_hz;
    size_t            n_samples;                /**< per lead */
    shn_check_lead   *leads;                    /**< [n_leads] */
    size_t            n_leads, n_not_voltage;
    float             einthoven_uv_max;         /**< largest |I + III - II| in uV; NaN without the three */
    float             goldberger_uv_max;        /**< of aVR, aVL, aVF; NaN without */
    int               order_proven;             /**< 1 identities hold, 0 cannot tell, -1 refuted */
    shn_record_meta   meta;                     /**< patient holds the identifier: not shown unasked */
    size_t            n_statements, n_measurements;
} shn_check;

/**
 * Checks one record.
 * @param assume_mv_per_unit  0: a lead without unit is refused (no_unit); else the factor that the user stands for
 * @param[out] out  owned by the caller, shn_check_free(); also for a refused record
 * Errors  SHN_NOMEM only: what is wrong with the file is in *out
 */
SHN_NODISCARD shn_status shn_check_file(const char *path, const shn_format_options *options, double assume_mv_per_unit, shn_check **out, shn_error *err);
void shn_check_free(shn_check *check);          /**< accepts NULL */

#ifdef __cplusplus
}
#endif
#endif
