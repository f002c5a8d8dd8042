#include "data/peek.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "formats/wfdb/comments.h"

void shn_join_labels(const shn_record *rec, char *out, size_t size)
{
    size_t used = 0;
    *out = '\0';
    for (size_t i = 0; i < shn_record_n_labels(rec); i++) {
        const char  *word = shn_record_label(rec, i);
        const size_t n = strlen(word);
        if (strcasecmp(word, "unknown") == 0) continue;
        if (used + n + 2 > size) return;
        if (used) out[used++] = '\n';
        memcpy(out + used, word, n + 1);
        used += n;
    }
}

/** The comments are applied to a record of one sample, for they go with one. */
static int read_header(const uint8_t *bytes, size_t n, shn_peek *out)
{
    wfdb_header h = { 0 };
    shn_record *rec = NULL;
    shn_error   err;
    int known = wfdb_header_parse(bytes, n, &h, &err) == SHN_OK && h.n_samples > 0 && h.n_samples <= SHN_SAMPLES_MAX &&
                shn_record_new(1, 1, h.fs_hz, &rec, &err) == SHN_OK && wfdb_apply_comments(&h, rec, &err) == SHN_OK;
    if (known) {
        out->fs_hz = h.fs_hz;
        out->n_samples = (size_t)h.n_samples;
        out->meta = *shn_record_meta_of(rec);
        shn_join_labels(rec, out->labels, sizeof out->labels);
        known &= h.n_segments == 0;             /* their own headers know how many samples a frame has */
        for (size_t i = 0; h.signals && i < h.n_signals; i++) known &= h.signals[i].per_frame <= 1;     /* else frames are not samples */
    }
    shn_record_free(rec);
    wfdb_header_free(&h);
    return known;
}

int shn_peek_header(const char *path, shn_peek *out)
{
    char     name[SHN_PATH_MAX];
    uint8_t *bytes;
    size_t   n;
    const size_t len = strlen(path);
    if (len + 5 > sizeof name) return 0;
    const char  *dot = strrchr(shn_path_base(path), '.');
    const int    header = dot && strcmp(dot, ".hea") == 0;
    const size_t stem = dot && (strcmp(dot, ".dat") == 0 || strcmp(dot, ".mat") == 0) ? (size_t)(dot - path) : len;
    snprintf(name, sizeof name, "%.*s%s", (int)stem, path, header ? "" : ".hea");
    if (shn_file_read(name, SHN_WFDB_HEADER_MAX, &bytes, &n, NULL) != SHN_OK) return 0;
    const int known = read_header(bytes, n, out);
    free(bytes);
    return known;
}
