/**
 * WFDB records (PhysioNet): a text header (.hea) beside signal files. Reader: formats 8 16 24 32 61 80 160 212 310 311 and FLAC's 508 516 524, one
 * or several segments, several rates. Writer: format 16. Annotations: shinden/annotation.h.
 * Source  WFDB Applications Guide, header(5) and signal(5).
 */
#ifndef SHINDEN_WFDB_H
#define SHINDEN_WFDB_H

#include "shinden/format.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SHN_WFDB_HEADER_MAX   ((size_t)4 << 20)     /**< bytes of a header */
#define SHN_WFDB_SEGMENTS_MAX 100000
#define SHN_WFDB_PER_FRAME_MAX 10000                /**< samples of one signal in one frame */

/**
 * Reads the record that a header describes; signal files and segment headers are asked of `source` by name.
 *
 * Rate    a record whose signals have different samples per frame is brought to the largest: the others are interpolated linearly
 *         between their own samples, which stay as they are; noted on the record.
 * Gaps    the format's invalid sample, null segments and skew ends become NaN.
 * Units   mV = (adu - baseline) / gain in the header's unit; gain 0 or absent is 200 adu/mV (unit origin DEFAULT).
 * Parts   options->first_sample and max_samples count samples of the record; only they are decoded and held (format 8 is run through from its
 *         start), and only segments that they touch are opened. A part is bit for bit that part of the whole. Files that hold less than the
 *         header announces are refused in any part.
 * Checks  a signal's checksum is verified where all of the signal is read; frames of FLAC have checks of their own, which always count.
 * Scale   calibration of each lead; none where a lead was interpolated, or where segments scale it differently.
 * Errors  SHN_FORMAT (bad_header with its line; truncated; checksum), SHN_UNSUPPORTED (other formats; FLAC with an offset, or without any length),
 *         SHN_RANGE (limit; a part beyond the end), SHN_IO, SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_wfdb_read(const uint8_t *header, size_t n_bytes, const shn_source *source, const shn_format_options *options,
                                       shn_record **out, shn_error *err);

/**
 * Writes folder/name.hea and folder/name.dat: format 16, checksums, NaN and Inf as -32768 (a gap). A lead with a calibration keeps its integers, its gain
 * and its baseline, which is rounded to a whole number (shinden/convert.h says what else does not fit); one without has 1000 adu/mV, baseline 0, and
 * saturates at +-32767. Values are taken as millivolts, unless the lead is no voltage: then the unit is "NU". Date and time go to the record line,
 * comments to the header, one line each, without the '#'. Both files appear by rename, the header last.
 * Errors  SHN_IO, SHN_RANGE (a name with other characters than letters, digits, '_' and '-'; a comment with a line break), SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_wfdb_write16(const shn_record *rec, const char *folder, const char *name, const char *const *comments,
                                          size_t n_comments, shn_error *err);

#ifdef __cplusplus
}
#endif
#endif
