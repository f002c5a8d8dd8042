/**
 * What a format's folder offers to the rest: one table row. Readers get the mapped bytes of a file and do no I/O of their own;
 * companions are asked of the source. readers.c lists the rows in the order of detection, open.c is the only user.
 */
#ifndef SHN_FORMATS_READER_H
#define SHN_FORMATS_READER_H

#include <stddef.h>
#include <stdint.h>

#include "formats/deidentify.h"
#include "shinden/format.h"

/** One file as a reader sees it. All fields are borrowed for the length of the call. */
typedef struct shn_input {
    const uint8_t            *bytes;        /* the whole file; may be NULL when n_bytes is 0 */
    size_t                    n_bytes;
    const char               *name;         /* plain file name, to build companions' names from */
    const char               *path;         /* for libraries that open files themselves (libhdf5); NULL: bytes only */
    const shn_source         *source;       /* companions; never NULL, may fail every open */
    const shn_format_options *options;      /* never NULL */
    size_t                    row;          /* record of the file, from 0, below count() */
} shn_input;

typedef struct shn_reader {
    const char *name;                       /* one word, as `check` prints it: "muse_xml" */
    const char *title;                      /* "GE MUSE XML" */
    /* 1 if the content is of this format (a broken file of this format included); looks at no more than it needs, never fails */
    int (*recognises)(const uint8_t *bytes, size_t n_bytes);
    /* Records in the file; NULL: always one. */
    shn_status (*count)(const shn_input *in, size_t *n, shn_error *err);
    /*
     * The record, or of it the part that options->first_sample and max_samples ask for (shn_input_range). Leads as stored, by the file's own
     * names (canonical aliases are shn_lead_index's), in mV where the unit is known, gaps NaN; calibration, meta, statements and measurements
     * filled; meta.format begins with the reader's name. *out is NULL on failure. Errors as shn_record_read.
     */
    shn_status (*read)(const shn_input *in, shn_record **out, shn_error *err);
    /*
     * The file without direct identifiers, as new bytes (out is owned by the caller, shn_bytes_free); every change goes to the audit.
     * NULL: this format is not rewritten. Errors  SHN_UNSUPPORTED where the reader cannot vouch for a part of the file, SHN_FORMAT, SHN_NOMEM
     */
    shn_status (*deidentify)(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err);
} shn_reader;

/** The rows, in order of detection, ended by NULL. */
extern const shn_reader *const shn_readers[];
/** The first reader that recognises the content; NULL: none. */
const shn_reader *shn_reader_for(const uint8_t *bytes, size_t n_bytes);

/**
 * Which samples of a record of `total` samples per lead the options ask for: first .. first + n - 1, n >= 1.
 * Errors  SHN_RANGE  first_sample is at or beyond the end; total is 0
 */
SHN_NODISCARD shn_status shn_input_range(const shn_input *in, size_t total, size_t *first, size_t *n, shn_error *err);
/** For readers that decode whole records: cuts rec to the range (replacing *rec) and fills meta.first_sample and total_samples. */
SHN_NODISCARD shn_status shn_input_cut(const shn_input *in, shn_record **rec, shn_error *err);

#endif
