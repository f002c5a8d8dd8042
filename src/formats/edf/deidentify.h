/** EDF without direct identifiers: header fields rewritten in place, texts of annotations removed, samples untouched. */
#ifndef SHN_FORMATS_EDF_DEIDENTIFY_H
#define SHN_FORMATS_EDF_DEIDENTIFY_H

#include "formats/reader.h"

/**
 * patient field       id hashed; name and what follows removed; sex kept; birth date shifted, from 90 years of age on removed
 * recording field     start date shifted; investigation code, technician and equipment removed; text that is not EDF+ removed
 * start date          shifted; 01.01.85 where it was no date or would leave 1985-2084
 * transducers, prefilters that are no list of filters, reserved fields: removed
 * annotations         texts removed but for times and gaps; bytes after the last data record: removed
 * Errors  as the reader's; SHN_FORMAT also for bytes in an annotation signal that are no list
 */
SHN_NODISCARD shn_status edf_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err);

#endif
