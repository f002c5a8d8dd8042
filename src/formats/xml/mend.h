/** What happens to an XML file's bytes before libxml2 sees them: UTF-16 becomes UTF-8, stray '&' and '<' become the characters they mean. */
#ifndef SHN_FORMATS_XML_MEND_H
#define SHN_FORMATS_XML_MEND_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

/**
 * Bytes that libxml2 can parse. *text points into bytes where nothing had to change (owned NULL), else to *owned, which the caller frees.
 * @param[out] utf8    1 if the text is UTF-8 whatever its declaration says
 * @param[out] mended  stray characters that were escaped
 * Errors  SHN_FORMAT (bad_header: broken UTF-16), SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_xml_mend(const uint8_t *bytes, size_t n_bytes, const char *where, const char **text, size_t *n_text, char **owned,
                                      int *utf8, size_t *mended, shn_error *err);

/** How the first bytes say that a document is written: bytes per unit, offset of the low byte in it, length of the byte order mark. */
typedef struct shn_xml_units { size_t step, low, mark; } shn_xml_units;
shn_xml_units shn_xml_units_of(const uint8_t *bytes, size_t n_bytes);

#endif
