/**
 * A record: one ECG as it was recorded. Leads by name, float millivolts, one sampling frequency, gaps as NaN, and
 * where its units and lead order come from. Readers make records, the signal path makes canonical ones of them.
 */
#ifndef SHINDEN_RECORD_H
#define SHINDEN_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_LEADS_MAX   256                      /**< leads of one record */
#define SHN_SAMPLES_MAX ((size_t)1 << 28)        /**< samples of all leads of one record together: 24 h of 12 leads at 250 Hz */
#define SHN_NOTES_MAX   64

typedef struct shn_record shn_record;

typedef enum shn_unit_origin {
    SHN_UNIT_UNKNOWN,       /**< no unit in the file: values are not millivolts until the caller says so */
    SHN_UNIT_DECLARED,      /**< the file names gain and unit */
    SHN_UNIT_DEFAULT,       /**< the format's own default applies (WFDB: gain 0 is 200 adu/mV) */
    SHN_UNIT_ASSUMED,       /**< the user or a preset said so */
    SHN_UNIT_NOT_VOLTAGE    /**< declared as something else (pressure, respiration) */
} shn_unit_origin;

/** Who, when and with what. Strings are UTF-8, empty when unknown, cut at their size. */
typedef struct shn_record_meta {
    char   id[128];             /**< the record's own name */
    char   patient[128];        /**< patient id as the file has it: an identifier, never shown unasked */
    char   acquired[32];        /**< ISO 8601, as far as known: "1984-11-09T09:17:34" */
    double age_years;           /**< NaN unknown */
    char   sex;                 /**< 'M', 'F' or 0 */
    char   device[96];
    char   filters[96];         /**< as the file words them: "0.05-150 Hz, notch 50 Hz" */
    char   format[48];          /**< "wfdb 16", set by the reader; its first word names the format */
    size_t first_sample;        /**< index in the file of the record's first sample */
    size_t total_samples;       /**< samples per lead in the file, of which the record may hold a part; 0: as many as it holds */
} shn_record_meta;

/** What the machine measured: "heart_rate" 72 "/min", "qrs_duration" 98 "ms". Names and units as docs/formats.md lists them. */
typedef struct shn_measurement { char name[32]; double value; char unit[16]; } shn_measurement;

/** How a lead's stored integers were scaled: mV = (adu - baseline) / gain. */
typedef struct shn_lead_cal {
    double gain_adu_per_mv;     /**< 0: samples were no scaled integers */
    double baseline_adu;        /**< may be a fraction (EDF) */
    int    bits;                /**< of the stored integer: 8, 12, 16, 24, 32; 0 unknown */
} shn_lead_cal;

/** A remark about the signal, found while reading or by the signal path. */
typedef struct shn_note { shn_reason reason; char text[160]; } shn_note;

/**
 * An empty record: n_leads leads of n_samples zeros, names empty, meta unknown.
 * Errors  SHN_RANGE  n_leads not in 1..SHN_LEADS_MAX, n_samples 0 or n_leads * n_samples over SHN_SAMPLES_MAX,
 *                    fs_hz not finite or not in (0, 1e6];   SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_record_new(size_t n_leads, size_t n_samples, double fs_hz, shn_record **out, shn_error *err);
/** Samples first .. first + n - 1 of every lead with everything that is known about the record, as a record of its own. Errors SHN_RANGE, SHN_NOMEM */
SHN_NODISCARD shn_status shn_record_part(const shn_record *rec, size_t first, size_t n, shn_record **out, shn_error *err);
void   shn_record_free(shn_record *rec);                                /**< accepts NULL */
size_t shn_record_n_leads(const shn_record *rec);
size_t shn_record_n_samples(const shn_record *rec);
double shn_record_fs_hz(const shn_record *rec);
/** Borrowed: n_samples floats in mV (NaN: gap), valid until the record is freed. lead < n_leads. */
const float *shn_record_lead(const shn_record *rec, size_t lead);
float       *shn_record_lead_mut(shn_record *rec, size_t lead);
/** Borrowed name as the file has it; shn_record_set_name cuts at 31 bytes. */
const char     *shn_record_name(const shn_record *rec, size_t lead);
void            shn_record_set_name(shn_record *rec, size_t lead, const char *name);
shn_unit_origin shn_record_unit(const shn_record *rec, size_t lead);
void            shn_record_set_unit(shn_record *rec, size_t lead, shn_unit_origin origin);
/** Index of the lead with this canonical name, compared case-folded and by known aliases ("AVR", "MLII" is "II"); -1. */
int                    shn_record_find(const shn_record *rec, const char *canonical_name);
const shn_record_meta *shn_record_meta_of(const shn_record *rec);
shn_record_meta       *shn_record_meta_mut(shn_record *rec);
/** Label codes or words that the file itself carries (WFDB "#Dx:" comments and the like), in file order. */
size_t      shn_record_n_labels(const shn_record *rec);
const char *shn_record_label(const shn_record *rec, size_t i);
SHN_NODISCARD shn_status shn_record_add_label(shn_record *rec, const char *label, shn_error *err);
/** Calibration of a lead as stored; all zero where the file has none. A conversion that keeps it gives back the same integers. */
shn_lead_cal shn_record_calibration(const shn_record *rec, size_t lead);
void            shn_record_set_calibration(shn_record *rec, size_t lead, shn_lead_cal calibration);
/** Interpretive statements of the machine or of the reader, as text in file order. */
size_t      shn_record_n_statements(const shn_record *rec);
const char *shn_record_statement(const shn_record *rec, size_t i);
SHN_NODISCARD shn_status shn_record_add_statement(shn_record *rec, const char *text, shn_error *err);
/** Machine measurements, in file order. Values that are not finite are not added. */
size_t                 shn_record_n_measurements(const shn_record *rec);
const shn_measurement *shn_record_measurement(const shn_record *rec, size_t i);
SHN_NODISCARD shn_status shn_record_add_measurement(shn_record *rec, const char *name, double value, const char *unit, shn_error *err);
/** Notes; after SHN_NOTES_MAX the rest is dropped and the last one says so. */
size_t          shn_record_n_notes(const shn_record *rec);
const shn_note *shn_record_note(const shn_record *rec, size_t i);
void            shn_record_add_note(shn_record *rec, shn_reason reason, const char *fmt, ...) SHN_PRINTF(3, 4);
int             shn_record_has_note(const shn_record *rec, shn_reason reason);

#ifdef __cplusplus
}
#endif
#endif
