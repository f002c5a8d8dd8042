/**
 * Sentences of free-text ECG reports: a statement each, so that what two cardiologists both wrote is the same text. Made for the languages that
 * PTB-XL's reports come in (English with full stops, German and Swedish statements in a row); other languages are cut at their full stops.
 *
 * Rule (docs/text.md), in this order:
 *   - the report in NFC and lower case, cut before "edit:" (PTB-XL: a coder's note, codes instead of words)
 *   - a sentence ends with . ! ? or ; before a blank or the end, with 。 and with a line's end; not after chron. and other abbreviations of
 *     ECG reports
 *   - where no full stop is written, also at runs of two or more blanks: a statement list's line ends. Where they are, such a run is a line's wrap
 *   - phrases that statement lists write one after another without any mark (rhythm, axis, conclusion) stand alone
 *   - blanks count once; marks at both ends and pieces with fewer than three letters are dropped; SHN_SENTENCE_MAX bytes at most, longer ones
 *     are cut before a word, where no blank is near (Japanese) before a character
 */
#ifndef SHINDEN_SENTENCES_H
#define SHINDEN_SENTENCES_H

#include <stddef.h>

#include "shinden/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_SENTENCE_MAX 1024               /**< bytes of a sentence with its end */
#define SHN_REPORT_MAX   ((size_t)1 << 16)  /**< bytes of a report */

/** The distinct sentences of a report in the order of the text; owned strings, NFC. */
typedef struct shn_sentences { char **text; size_t n, capacity; } shn_sentences;

/**
 * @param[in]  report  UTF-8, may be empty
 * @param[out] out     released with shn_sentences_free in any case; n may be 0
 * Errors  SHN_FORMAT  not UTF-8;  SHN_RANGE  longer than SHN_REPORT_MAX;  SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_sentences_split(const char *report, shn_sentences *out, shn_error *err);
void shn_sentences_free(shn_sentences *sentences);          /**< safe on a zeroed one */

#ifdef __cplusplus
}
#endif
#endif
