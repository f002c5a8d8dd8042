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

#define SHN_FILE_MAX ((size_t)1 << 36)          /**< bytes of one input file; it is mapped, not held */

/** Bytes of a companion file by its plain name (no folder part is ever passed that leaves the record's folder). */
typedef struct shn_source {
    void *context;
    /** Lends the bytes until close; n_bytes may be 0. */
    shn_status (*open)(void *context, const char *name, const uint8_t **bytes, size_t *n_bytes, shn_error *err);
    void (*close)(void *context, const uint8_t *bytes, size_t n_bytes);
} shn_source;

typedef struct shn_format_options {
    int    raw_microvolts;      /**< WFDB: ignore gain and baseline of the header, integers are microvolts (LUDB) */
    int    verify_checksums;    /**< 1: a wrong checksum is an error (checksum); 0: it becomes a note */
    size_t first_sample;        /**< 0; first sample of each lead to read */
    size_t max_samples;         /**< 0: to the end; else at most so many samples of each lead: long recordings are read in parts */
} shn_format_options;
void shn_format_defaults(shn_format_options *options);

/**
 * Reads the record in a file of any format that formats/readers.c lists; content decides. A file of many records (CODE-15 HDF5) is named with
 * its row, "exams.hdf5#12"; without it, it must hold one. A WFDB record is named by its header, by its path without extension, or by its
 * .dat/.mat.
 * @param options  NULL: defaults
 * @param[out] out owned by the caller, shn_record_free(); leads as stored, in mV where the unit is known
 * Errors  SHN_IO, SHN_FORMAT (unknown_format, companion_file, bad_header, truncated, checksum ...), SHN_UNSUPPORTED, SHN_RANGE (limit),
 *         SHN_NOMEM; the text names the file and the place in it
 */
SHN_NODISCARD shn_status shn_record_read(const char *path, const shn_format_options *options, shn_record **out,
                                         shn_error *err);

/** Longer recordings (samples per lead) are read in parts where only a part is wanted. */
#define SHN_RECORD_WHOLE_MAX ((size_t)1 << 20)

/**
 * As shn_record_read, but of a recording of more than SHN_RECORD_WHOLE_MAX samples per lead only a stretch around its middle, at least `seconds`
 * long (> 0): the same number of whole periods is left off at both ends, so that the middle of the part is the middle of the recording and its
 * samples fall on the same instants at any rate with a whole number of samples in that period. options->first_sample and max_samples are ignored.
 */
SHN_NODISCARD shn_status shn_record_read_middle(const char *path, const shn_format_options *options, double seconds, shn_record **out,
                                                shn_error *err);
/** The shortest whole number of seconds, 1 to 1000, that holds a whole number of samples at both rates; 0: none. */
unsigned shn_common_seconds(double fs_hz, double other_fs_hz);

/** Name of the format that a file's content shows ("muse_xml"), static; NULL if none, or the file cannot be read. A trailing #ROW is ignored. */
const char *shn_format_of(const char *path);

/** What a folder held: the records, and files that are none. */
typedef struct shn_found {
    char **paths;               /**< [n] sorted; files of many records once per record, "FILE#ROW" */
    size_t n;
    size_t n_companions;        /**< files that belong to a record's header */
    size_t n_others;            /**< files of no ECG format (tables, notes): left out */
    char  *first_other;         /**< path of the first of them, or NULL */
} shn_found;

/**
 * Lists the records below a folder (or in a file), sorted by path; companions and segments of other records are left out, links to folders are
 * not followed. A file that no reader recognises but whose ending is an ECG format's (.dcm .scp .mwf .edf ...) is listed, so that reading it says why.
 * Free with shn_found_free in any case.
 */
SHN_NODISCARD shn_status shn_records_find(const char *path, shn_found *out, shn_error *err);
void shn_found_free(shn_found *found);

#ifdef __cplusplus
}
#endif
#endif
