/** The two ways of a WFDB record, plain and in segments. */
#ifndef SHN_FORMATS_WFDB_READ_H
#define SHN_FORMATS_WFDB_READ_H

#include "formats/reader.h"
#include "formats/wfdb/signal.h"

/**
 * A record of the header's leads, all gaps, as long as the options ask of n_frames, with names, units and its place in the whole.
 * Errors  SHN_RANGE  the part begins after the end; too many samples;   SHN_NOMEM
 */
SHN_NODISCARD shn_status wfdb_make_record(const wfdb_header *h, double fs_hz, uint64_t n_frames, const shn_format_options *o, shn_record **out, shn_error *err);
/** Errors as shn_wfdb_read. */
SHN_NODISCARD shn_status wfdb_read_segments(const wfdb_header *h, const shn_source *source, const shn_format_options *o, shn_record **out, shn_error *err);

#endif
