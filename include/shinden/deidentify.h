/**
 * De-identification of ECG files: direct identifiers out, samples bit for bit as they were. Patient ids become keyed hashes, so that the files
 * of one patient stay together; dates move by a number of days that is the patient's own; what was done is listed without the old values.
 * The caller keeps the key secret: who has it can test a guessed id. Not a guarantee: an ECG itself, rare ages and dates of care may identify.
 */
#ifndef SHINDEN_DEIDENTIFY_H
#define SHINDEN_DEIDENTIFY_H

#include <stddef.h>

#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_DEID_KEY_MIN 16                     /**< bytes of a key */
#define SHN_DEID_KEY_MAX 4096

typedef struct shn_deid shn_deid;

/** One change: "tag (0010,0010)", "patient name", "removed". Borrowed, valid until the next file. */
typedef struct shn_deid_change { const char *place, *what, *done; } shn_deid_change;

/**
 * @param key, n_key   a secret of SHN_DEID_KEY_MIN bytes or more; copied
 * @param[out] out     owned by the caller, shn_deid_free()
 * Errors  SHN_RANGE  the key is too short or too long;   SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_deid_new(const void *key, size_t n_key, shn_deid **out, shn_error *err);
void shn_deid_free(shn_deid *d);                /**< accepts NULL */

/**
 * Writes a de-identified copy of one file (a WFDB header with its signal files) into a folder, under a name that is a keyed hash of its own:
 * file names often hold patient ids. Nothing is written unless all of it could be vouched for.
 * @param folder    made if needed; a file that is there already is an error
 * @param out_path  [SHN_DEID_PATH_MAX] where it was written
 * Errors  SHN_UNSUPPORTED  the format is not rewritten, or holds parts that cannot be vouched for;   SHN_IO, SHN_FORMAT, SHN_RANGE, SHN_NOMEM
 */
#define SHN_DEID_PATH_MAX 4096
SHN_NODISCARD shn_status shn_deid_file(shn_deid *d, const char *path, const char *folder, char out_path[SHN_DEID_PATH_MAX], shn_error *err);

/** What was done to the last file, in file order. */
size_t          shn_deid_n_changes(const shn_deid *d);
shn_deid_change shn_deid_change_at(const shn_deid *d, size_t i);
/** The replacement id of the last file's patient; "" before any file. */
const char *shn_deid_patient_of(const shn_deid *d);

#ifdef __cplusplus
}
#endif
#endif
