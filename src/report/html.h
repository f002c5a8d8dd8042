/**
 * A growing page. What comes from outside goes through shn_html_text, which leaves nothing that a browser could take for
 * markup; markup of our own goes through shn_html_raw and shn_html_printf. Out of memory is remembered and told at the end.
 */
#ifndef SHN_REPORT_HTML_H
#define SHN_REPORT_HTML_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

#define SHN_HTML_MAX ((size_t)1 << 30)

typedef struct shn_html { char *text; size_t n, capacity; int failed; } shn_html;

void shn_html_raw(shn_html *page, const char *markup);
/** printf of own markup and numbers; never pass strings from outside to it. */
void shn_html_printf(shn_html *page, const char *fmt, ...) SHN_PRINTF(2, 3);
/** Escapes & < > " ' and control bytes; bytes that are not UTF-8 become U+FFFD. NULL writes nothing. */
void shn_html_text(shn_html *page, const char *outside);
/** Base64, for data: addresses. */
void shn_html_base64(shn_html *page, const void *bytes, size_t n);
/** Hands the text over; SHN_NOMEM if anything was lost (then nothing is handed over). */
SHN_NODISCARD shn_status shn_html_finish(shn_html *page, char **out, shn_error *err);

#endif
