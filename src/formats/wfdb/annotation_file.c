/** The annotations of a record by name and extension: finds the file, and brings its times to the samples of the record. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fail.h"
#include "base/file.h"
#include "formats/wfdb/annotation.h"
#include "formats/wfdb/signal.h"

static int plain_extension(const char *s)
{
    if (!*s || strlen(s) > 32) return 0;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-') return 0;
    return 1;
}

/** "r/100" of "r/100.hea", "r/100.dat", "r/100.mat" and of itself. */
static size_t stem_of(const char *record)
{
    static const char *const endings[] = { ".hea", ".dat", ".mat" };
    const size_t n = strlen(record);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (n > 4 && strcasecmp(record + n - 4, endings[i]) == 0) return n - 4;
    return n;
}

static shn_status read_header(const char *path, wfdb_header *h, shn_error *err)
{
    uint8_t *bytes;
    size_t   n;
    memset(h, 0, sizeof *h);
    shn_status st = shn_file_read(path, SHN_WFDB_HEADER_MAX, &bytes, &n, err);
    if (st != SHN_OK) return st;
    st = wfdb_header_parse(bytes, n, h, err);
    free(bytes);
    if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    return st;
}

/** Frames per second of the record, and samples per frame of its fastest signal; of a record in segments the first header knows them. */
static shn_status rate_of(const char *header, double *frames_hz, uint32_t *most, shn_error *err)
{
    wfdb_header h, first;
    char        path[SHN_PATH_MAX];
    shn_status  st = read_header(header, &h, err);
    *frames_hz = h.fs_hz;
    *most = wfdb_most_per_frame(&h);
    for (size_t i = 0; st == SHN_OK && i < h.n_segments; i++) {
        if (strcmp(h.segments[i].name, "~") == 0) continue;
        if (snprintf(path, sizeof path, "%.*s%s.hea", (int)(shn_path_base(header) - header), header, h.segments[i].name) >= (int)sizeof path)
            st = shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "wfdb.annotation", "%.100s...: path too long", header);
        else {
            st = read_header(path, &first, err);
            *most = wfdb_most_per_frame(&first);
            wfdb_header_free(&first);
        }
        break;
    }
    wfdb_header_free(&h);
    return st;
}

shn_status shn_annotations_read(const char *record, const char *extension, shn_annotations **out, shn_error *err)
{
    char        path[SHN_PATH_MAX];
    shn_mapping map;
    double      frames_hz;
    uint32_t    most;
    const int   stem = (int)stem_of(record);
    *out = NULL;
    if (!plain_extension(extension))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "wfdb.annotation", "extension '%.40s': only letters, digits, '_' and '-'", extension);
    if (snprintf(path, sizeof path, "%.*s.%s", stem, record, extension) >= (int)sizeof path - 4)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "wfdb.annotation", "%.100s...: path too long", record);
    snprintf(path, sizeof path, "%.*s.hea", stem, record);
    shn_status st = rate_of(path, &frames_hz, &most, err);
    if (st != SHN_OK) return st;
    snprintf(path, sizeof path, "%.*s.%s", stem, record, extension);
    st = shn_file_map(path, &map, err);
    if (st != SHN_OK) return st;
    st = shn_annotations_parse(map.bytes, map.n_bytes, out, err);
    shn_file_unmap(&map);
    if (st != SHN_OK) {
        shn_error_prefix(err, "%s", path);
        return st;
    }
    shn_annotations *s = *out;
    const double ticks_hz = s->rate_hz > 0 ? s->rate_hz : frames_hz, factor = frames_hz * most / ticks_hz;
    for (size_t i = 0; factor != 1 && i < s->n; i++) {
        const double sample = floor((double)s->items[i].sample * factor + 0.5);
        if (!(fabs(sample) <= 0x1p53)) {
            shn_annotations_free(s);
            *out = NULL;
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "wfdb.annotation", "%s: %g ticks per second put annotations out of range", path, ticks_hz);
        }
        s->items[i].sample = (int64_t)sample;
    }
    s->rate_hz = frames_hz * most;
    return SHN_OK;
}
