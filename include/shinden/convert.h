/**
 * Writing records in formats that other programs read: WFDB, EDF+ and CSV, with each lead's stored integers where the record has them.
 *
 * Integers   A lead with a calibration (shn_record_calibration) is written with the integers it was read from, so a recording that goes from
 *            WFDB to EDF+ to CSV and back has the same integers in each. A lead without (XML in microvolts, simulated, HDF5 floats) gets
 *            1000 steps per mV, which counts as rounded where its values lie between them.
 *
 * What a format cannot express, and what happens then (the report counts it):
 *   WFDB 16   no -32768 (it means a gap): such a sample becomes -32767. No fraction of a baseline: the integers stay, the header's baseline is the
 *             nearest whole number, so that values move by at most half a step. Integers beyond 16 bits: moved by a whole number of steps if the
 *             lead's range allows, else the step is doubled until it does. No name of a unit that is no voltage: "NU".
 *   EDF+      no gap: gaps are written as the lead's digital minimum and named by annotations, which our reader heeds (formats/edf/edf.h); other
 *             programs see the annotation. Eight characters for each end of the range: ends are chosen that give the gain exactly; where none do
 *             (306.99672 per mV), gain and baseline are the nearest that can be written, integers stay. Whole data records only: the last one
 *             may have padding, named by an annotation. Seconds of a data record in eight characters: a rate such as 1000/7 Hz is met as well as it
 *             can be. Sixteen characters of a lead's name, ASCII.
 *   CSV       nothing of these; a signal that is no voltage loses its calibration (formats/csv/csv.h), its values stay exact.
 *
 * Identifiers   the patient id and the record's own id are written only with keep_identifiers. Statements, device and the time of recording are
 *            written in any case: this is no de-identification (shinden/deidentify.h).
 */
#ifndef SHINDEN_CONVERT_H
#define SHINDEN_CONVERT_H

#include "shinden/record.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct shn_convert_options {
    int keep_identifiers;       /**< 0: no patient id, no record id */
} shn_convert_options;

/** How what was written differs from the record. */
typedef struct shn_convert_report {
    size_t n_gaps;              /**< samples of all leads that are gaps */
    size_t n_rounded;           /**< samples that are not on the steps written, by more than 1/100 step */
    size_t n_clipped;           /**< samples at the end of the range that lie beyond it */
    size_t n_padding;           /**< EDF+: samples of a lead after the recording's end, to fill its last data record */
    double gain_error;          /**< EDF+: largest relative difference of a lead's gain to the record's */
    double baseline_error;      /**< largest difference of a lead's baseline, in steps */
    double fs_error;            /**< EDF+: relative difference of the sampling frequency */
} shn_convert_report;

/**
 * As shn_wfdb_write16, with the comments made from the record: age, sex, codes (Dx), device, filters, statements.
 * @param options  NULL: defaults.   @param report  may be NULL
 * Errors  SHN_FORMAT (no_unit) an ECG lead of unknown unit;   SHN_IO, SHN_RANGE (a name), SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_wfdb_write(const shn_record *rec, const char *folder, const char *name, const shn_convert_options *options,
                                        shn_convert_report *report, shn_error *err);
/** Writes an EDF+C file, 16 bits, with statements and gaps as annotations; it appears by rename. Errors as shn_wfdb_write; SHN_RANGE (limit) over 2^24 bytes a data record */
SHN_NODISCARD shn_status shn_edf_write(const shn_record *rec, const char *path, const shn_convert_options *options, shn_convert_report *report, shn_error *err);
/** Writes CSV in the layout of formats/csv/csv.h; unknown units stay unknown. Errors  SHN_IO, SHN_NOMEM */
SHN_NODISCARD shn_status shn_csv_write(const shn_record *rec, const char *path, const shn_convert_options *options, shn_convert_report *report, shn_error *err);

/** Leads of unknown unit get one: their values are taken times mv_per_unit (> 0), the unit's origin is ASSUMED. Returns how many there were. */
size_t shn_record_assume_unit(shn_record *rec, double mv_per_unit);

#ifdef __cplusplus
}
#endif
#endif
