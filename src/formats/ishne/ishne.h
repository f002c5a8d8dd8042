/**
 * ISHNE Holter standard, version 1.0 (.ecg, .hol, .ishne): recordings of up to 12 leads over a day or more. Byte layout, all little-endian:
 *
 *      0  8   "ISHNE1.0"                       128  2   sex: 0 unknown, 1 male, 2 female
 *      8  2   CRC of bytes 10 .. ECG block     130  2   race
 *     10  4   bytes of the variable block      132  6   birth: day, month, year, 16 bits each
 *     14  4   samples of each lead             138  6   day of the recording, as birth
 *     18  4   where the variable block is      144  6   day of the file, as birth
 *     22  4   where the ECG block is           150  6   start: hour, minute, second
 *     26  2   version                          156  2   leads, 1 to 12
 *     28 40   first name                       158 24   lead codes, 12 x 16 bits
 *     68 40   last name                        182 24   lead quality, 12 x 16 bits
 *    108 20   patient id                       206 24   nanovolts per step, 12 x 16 bits
 *    230  2   pacemaker                        272  2   sampling rate, Hz
 *    232 40   recorder                         274 80   proprietary; 354 80 copyright; 434 88 reserved; 522 variable block
 *
 *   CRC      CCITT, polynomial 1021, start FFFF, no reflection, over header and variable block; 0: not computed
 *   unknown  numbers that are not known are -9
 *   ECG      16-bit steps: for each sample, one of each lead
 *
 * "ANN  1.0" in place of the mark is a file of annotations, which holds no samples.
 * Source  Badilini, "The ISHNE Holter standard output file format", Ann Noninvasive Electrocardiol 1998;3:263-266, as its public readers state
 *         the offsets; whether the count at 14 is of one lead or of all is read differently by writers, so the file's length decides.
 */
#ifndef SHN_FORMATS_ISHNE_H
#define SHN_FORMATS_ISHNE_H

#include <stddef.h>
#include <stdint.h>

#include "formats/day.h"
#include "formats/reader.h"

extern const shn_reader shn_reader_ishne;

#define ISHNE_LEADS_MAX     12
#define ISHNE_VARIABLE_MAX  (1u << 20)      /* bytes of the variable block that are looked at: a text about the recording */

enum { ISHNE_HEADER = 522, ISHNE_UNKNOWN = -9 };

enum ishne_at {
    ISHNE_CRC = 8, ISHNE_VARIABLE_BYTES = 10, ISHNE_SAMPLES = 14, ISHNE_VARIABLE_AT = 18, ISHNE_ECG_AT = 22, ISHNE_VERSION = 26, ISHNE_FIRST_NAME = 28,
    ISHNE_LAST_NAME = 68, ISHNE_ID = 108, ISHNE_SEX = 128, ISHNE_RACE = 130, ISHNE_BIRTH = 132, ISHNE_RECORDED = 138, ISHNE_FILED = 144,
    ISHNE_START = 150, ISHNE_LEADS = 156, ISHNE_CODES = 158, ISHNE_QUALITY = 182, ISHNE_STEP_NV = 206, ISHNE_PACEMAKER = 230, ISHNE_RECORDER = 232,
    ISHNE_RATE = 272, ISHNE_PROPRIETARY = 274, ISHNE_COPYRIGHT = 354, ISHNE_RESERVED = 434
};

typedef struct ishne_header {
    size_t  n_leads, ecg_at, n_samples;     /* n_samples: of each lead, all of them there */
    int     rate_hz;
    int     code[ISHNE_LEADS_MAX], quality[ISHNE_LEADS_MAX], step_nv[ISHNE_LEADS_MAX];
    int     crc_stored, crc_computed;       /* crc_stored 0: none */
    int     counted_together;               /* 1: the count was of all leads */
    int     count_unknown;
    size_t  surplus;                        /* bytes after the samples */
} ishne_header;

/** Errors  SHN_FORMAT (truncated, bad_header, bad_value), SHN_UNSUPPORTED (annotations) */
shn_status ishne_header_parse(const uint8_t *bytes, size_t n_bytes, ishne_header *h, shn_error *err);
/** CRC-CCITT with start FFFF. */
uint16_t ishne_crc(const uint8_t *bytes, size_t n);
/** Day, month and year at an offset; 0: unknown or no date. */
int ishne_date(const uint8_t *bytes, size_t at, shn_day *out);
/** A text of at most n bytes, to its NUL, without blanks at its ends; bytes above 7F are read as Latin-1. */
void ishne_text(const uint8_t *bytes, size_t n, char *out, size_t size);

shn_status ishne_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err);

#endif
