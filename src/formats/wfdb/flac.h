/**
 * FLAC signal files of WFDB (formats 508, 516, 524): one FLAC stream a file, one channel a signal, samples as they are (8, 16 or 24 bits, never
 * more than the format says). The only place that calls libFLAC; before it gets the bytes, the stream's own header is held against named limits.
 * Source  WFDB signal(5), "Formats 508, 516, 524"; RFC 9639 for the layout: "fLaC", then metadata blocks of (1 bit last, 7 bits type, 24 bits
 *         length), the first of them STREAMINFO with 34 bytes: u16be smallest and u16be largest block, u24be smallest and largest frame,
 *         20 bits rate, 3 bits channels - 1, 5 bits bits per sample - 1, 36 bits samples (0: not known), 16 bytes MD5.
 */
#ifndef SHN_FORMATS_WFDB_FLAC_H
#define SHN_FORMATS_WFDB_FLAC_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

#define WFDB_FLAC_METADATA_MAX ((size_t)1 << 20)        /**< bytes before the first frame */

typedef struct wfdb_flac_info {
    unsigned n_channels, bits;          /* 1..8, 4..32 */
    unsigned block_max;                 /* samples of one block */
    uint64_t n_samples;                 /* of each channel; 0: the stream does not say */
    size_t   audio_at;                  /* byte where the first frame begins */
    int      has_text;                  /* metadata beside STREAMINFO, padding, seek points and an empty comment: could name someone */
} wfdb_flac_info;

/** Errors  SHN_FORMAT (bad_header; truncated: more samples announced than so many bytes can hold), SHN_RANGE (limit) */
SHN_NODISCARD shn_status wfdb_flac_inspect(const uint8_t *bytes, size_t n_bytes, const char *name, wfdb_flac_info *out, shn_error *err);

/** Gets consecutive runs: samples at .. at + n - 1 of every channel. */
typedef void wfdb_flac_sink(void *context, uint64_t at, const int32_t *const *channels, size_t n);

/**
 * Decodes samples first .. first + n - 1 of each channel and hands them over in order. A stream without seek points is searched by halving.
 * @param info  as wfdb_flac_inspect gave it for these bytes
 * Errors  SHN_FORMAT (checksum: a frame's own check fails; truncated; bad_header: frames contradict STREAMINFO), SHN_NOMEM
 */
SHN_NODISCARD shn_status wfdb_flac_decode(const uint8_t *bytes, size_t n_bytes, const char *name, const wfdb_flac_info *info, uint64_t first,
                                          uint64_t n, wfdb_flac_sink *sink, void *context, shn_error *err);

#endif
