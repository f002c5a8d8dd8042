/** XLI, the compression of Philips' Sierra XML: LZW over the bytes of second differences. */
#ifndef SHN_FORMATS_SIERRA_XLI_H
#define SHN_FORMATS_SIERRA_XLI_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

/**
 * Unpacks the chunk at bytes[*at] and moves *at behind it.
 * @param n          samples of a lead, as the document says: bits that fill the chunk's last bytes look like codes
 * @param[out] out   [n] samples, owned by the caller (free)
 * Arithmetic wraps at 16 bits, as the recorders' does.
 * Errors  SHN_FORMAT (truncated: fewer samples than n; bad_value: a code that cannot be there yet, a word across the end), SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_xli_chunk(const uint8_t *bytes, size_t n_bytes, size_t *at, size_t n, int16_t **out, shn_error *err);

#endif
