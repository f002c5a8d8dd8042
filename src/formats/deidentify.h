/**
 * De-identification as format folders see it: rules that replace identifiers consistently, and an audit of what was changed. A patient id
 * becomes a keyed hash, dates move by a number of days that depends on key and patient only, so that intervals within a patient stay.
 */
#ifndef SHN_FORMATS_DEIDENTIFY_H
#define SHN_FORMATS_DEIDENTIFY_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/deidentify.h"

/** Bytes that grow; zeroed is empty. A failed append leaves the content as it was. */
typedef struct shn_bytes { uint8_t *bytes; size_t n, capacity; } shn_bytes;
SHN_NODISCARD shn_status shn_bytes_add(shn_bytes *b, const void *bytes, size_t n, shn_error *err);
void shn_bytes_free(shn_bytes *b);

#define SHN_DEID_PATIENT_MAX 24             /**< bytes of a replacement id with its NUL */
/**
 * Names the patient whose file this is; must come before the two calls below. NULL or "" : a file without patient id, for which the
 * file's own name stands in (each such file is a patient of its own).
 */
void shn_deid_patient(shn_deid *d, const char *patient);
/** The replacement for the patient's id: "P" and 16 hex digits of HMAC-SHA256(key, id); cut to width - 1 characters where a field is shorter. */
void shn_deid_id(const shn_deid *d, char *out, size_t width);
/**
 * Moves a date by the patient's shift (-365 .. -1 days). Errors  SHN_RANGE  no date of the Gregorian calendar after 1800
 * Times of day stay.
 */
SHN_NODISCARD shn_status shn_deid_date(const shn_deid *d, int *year, int *month, int *day, shn_error *err);
/** The same for text that begins with YYYYMMDD or YYYY-MM-DD (also DD-MM-YYYY and DD/MM/YYYY with day_first): the date is replaced in place, the rest stays. */
SHN_NODISCARD shn_status shn_deid_date_text(const shn_deid *d, char *text, int day_first, shn_error *err);
/** Name without ending under which the output is written ("R" and 16 hex digits); formats whose content names the file use it. */
const char *shn_deid_stem(const shn_deid *d);
/**
 * A companion of this file that goes into the output unchanged, under a new name (WFDB signal files); the writer copies it.
 * Errors  SHN_FORMAT  a name with a folder part;   SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_deid_companion(shn_deid *d, const char *old_name, const char *new_name, shn_error *err);
/** An age over 89 gives 90 (the usual limit: such ages identify), others themselves. */
int shn_deid_age(int years);
/**
 * One line of the audit: where ("PatientDemographics/PatientLastName", "tag (0010,0010)", "byte 8"), what it was ("patient name"), what was
 * done ("removed", "hashed", "shifted", "cut to 90"). The old value is never written. Errors SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_deid_note(shn_deid *d, const char *place, const char *what, const char *done, shn_error *err);

#endif
