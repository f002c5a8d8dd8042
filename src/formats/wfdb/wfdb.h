/** WFDB's row in the table of readers. */
#ifndef SHN_FORMATS_WFDB_WFDB_H
#define SHN_FORMATS_WFDB_WFDB_H

#include "formats/reader.h"

extern const shn_reader shn_reader_wfdb;

/** The row's deidentify: the header rewritten, signal files as companions under new names. Annotations and records in segments stay behind. */
SHN_NODISCARD shn_status wfdb_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err);

#endif
