/**
 * Opening an ECG file of any supported format, by content. Readers themselves do no I/O: they ask a source for the
 * bytes of their companions (a WFDB header asks for its signal files), so tests and fuzzers hand them memory.
 */
#ifndef SHINDEN_FORMAT_H
#define SHINDEN_FORMAT_H

#include "shinden/record.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_FILE_MAX ((size_t)1 << 31)          /**< bytes of one input file */

/** Bytes of a companion file by its plain name (no folder part is ever passed that leaves the record's folder). */
typedef struct shn_source {
    void *context;
    /** Lends the bytes until close; n_bytes may be 0. */
    shn_status (*open)(void *context, const char *name, const uint8_t **bytes, size_t *n_bytes, shn_error *err);
    void (*close)(void *context, const uint8_t *bytes, size_t n_bytes);
} shn_source;

typedef struct shn_format_options {
    int raw_microvolts;         /**< WFDB: ignore gain and baseline of the header, integers are microvolts (LUDB) */
    int verify_checksums;       /**< 1: a wrong checksum is an error (checksum); 0: it becomes a note */
} shn_format_options;
void shn_format_defaults(shn_format_options *options);

/**
 * Reads the record in a file. A WFDB record is named by its header, by its path without extension, or by its .dat/.mat.
 * @param options  NULL: defaults
 * @param[out] out owned by the caller, shn_record_free(); leads as stored, in mV where the unit is known
 * Errors  SHN_IO, SHN_FORMAT (unknown_format, bad_header, truncated, checksum ...), SHN_UNSUPPORTED, SHN_RANGE (limit), SHN_NOMEM;
 *         the text names the file and the place in it
 */
SHN_NODISCARD shn_status shn_record_read(const char *path, const shn_format_options *options, shn_record **out,
                                         shn_error *err);

/**
 * Lists the records below a folder (or the one a file is), sorted by path; companions and segments of other records are left out, links to folders are not followed.
 * @param[out] paths  owned by the caller: array of n strings, release with shn_paths_free
 */
SHN_NODISCARD shn_status shn_records_find(const char *path, char ***paths, size_t *n, shn_error *err);
void shn_paths_free(char **paths, size_t n);

#ifdef __cplusplus
}
#endif
#endif
