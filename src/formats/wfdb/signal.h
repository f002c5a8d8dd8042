/** Signal files of one segment into the leads of a record: lengths checked first, then only the part that is wanted is decoded. */
#ifndef SHN_FORMATS_WFDB_SIGNAL_H
#define SHN_FORMATS_WFDB_SIGNAL_H

#include "formats/wfdb/header.h"

/** Part of a segment, counted in samples of the record, which runs at `most` samples per frame. */
typedef struct wfdb_part {
    uint64_t n_frames;          /* of the whole segment */
    uint32_t most;
    uint64_t first, n;          /* samples wanted, n >= 1, inside n_frames * most */
    size_t   at;                /* where they go in each lead of the record */
} wfdb_part;

/** Millivolts per unit of the header; 0 if the unit is no voltage. */
double wfdb_unit_mv(const char *unit);
shn_unit_origin wfdb_unit_origin(const wfdb_signal *s, const shn_format_options *o);
/** How the signal's integers are scaled; in the signal's own unit where that is no voltage. */
shn_lead_cal wfdb_calibration(const wfdb_signal *s, const shn_format_options *o);
/** Samples per frame of the fastest signal. */
uint32_t wfdb_most_per_frame(const wfdb_header *h);

/** Errors  SHN_UNSUPPORTED  a format that is not known;  SHN_FORMAT  signals of one file that contradict each other */
SHN_NODISCARD shn_status wfdb_check_formats(const wfdb_header *h, shn_error *err);
/**
 * Every file must hold what the header announces, before memory is taken for it. *n_frames 0: the first file's length counts.
 * Errors  SHN_FORMAT (truncated, no_ecg_lead, bad_header), SHN_UNSUPPORTED, SHN_IO
 */
SHN_NODISCARD shn_status wfdb_check_lengths(const wfdb_header *h, const shn_source *source, uint64_t *n_frames, shn_error *err);
/**
 * Decodes a part of one plain header's signals. Checksums are about whole signals, so they are verified only where all of it is read.
 * @param lead_of  [n_signals] lead of rec for each signal, -1: not wanted. Leads must hold NaN: gaps are left as they are.
 * Errors  SHN_FORMAT (checksum, bad_header, truncated), SHN_NOMEM, SHN_IO
 */
SHN_NODISCARD shn_status wfdb_decode_part(const wfdb_header *h, const shn_source *source, const shn_format_options *o, const wfdb_part *part,
                                          const int *lead_of, shn_record *rec, shn_error *err);

#endif
