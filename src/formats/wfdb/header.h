/** The WFDB header as parsed text: one struct per record line, signal line and segment line of header(5). */
#ifndef SHN_FORMATS_WFDB_HEADER_H
#define SHN_FORMATS_WFDB_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/wfdb.h"

typedef struct wfdb_signal {
    char     file[256];             /* "~" in a layout: no file */
    int      format;                /* 16, 212 ... */
    uint32_t per_frame, skew;       /* samples per frame; frames of skew */
    uint64_t byte_offset;
    double   gain;                  /* adu per unit; 0: not given */
    int64_t  baseline;              /* adu at 0 units */
    char     unit[24];              /* empty: not given, the default mV */
    int64_t  initial;               /* adu before the first difference (format 8) */
    int      has_checksum;
    int32_t  checksum;
    char     name[64];              /* description */
} wfdb_signal;

typedef struct wfdb_segment { char name[256]; uint64_t n_samples; } wfdb_segment;

typedef struct wfdb_header {
    char          name[256];
    size_t        n_signals, n_segments;    /* n_segments 0: a plain record */
    double        fs_hz;                    /* frames per second */
    uint64_t      n_samples;                /* frames; 0: not given */
    char          time[16], date[16];       /* as written; empty if absent */
    wfdb_signal  *signals;                  /* [n_signals] of a plain record */
    wfdb_segment *segments;                 /* [n_segments] */
    char        **comments;                 /* [n_comments], without '#' and leading spaces */
    size_t        n_comments, comments_capacity;
    size_t        n_ignored;                /* lines after the last signal line that are neither comments nor signals */
} wfdb_header;

/** Errors  SHN_FORMAT (bad_header) with the line number, SHN_RANGE (limit), SHN_NOMEM. Free with wfdb_header_free in any case. */
SHN_NODISCARD shn_status wfdb_header_parse(const uint8_t *bytes, size_t n_bytes, wfdb_header *out, shn_error *err);
void wfdb_header_free(wfdb_header *h);

#endif
