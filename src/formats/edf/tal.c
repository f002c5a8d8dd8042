#include "formats/edf/tal.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"

enum { ONSET_BYTES_MAX = 31, SEPARATOR = 0x14, DURATION_FOLLOWS = 0x15 };

/** Digits with a decimal point, of n bytes; 0 if they are no number. */
static int seconds(const uint8_t *s, size_t n, int sign_needed, double *out)
{
    char text[ONSET_BYTES_MAX + 1], *end;
    if (n == 0 || n > ONSET_BYTES_MAX || (sign_needed ? *s != '+' && *s != '-' : !isdigit(*s))) return 0;
    for (size_t i = sign_needed ? 1 : 0; i < n; i++)
        if (!isdigit(s[i]) && s[i] != '.') return 0;
    memcpy(text, s, n);
    text[n] = '\0';
    *out = strtod(text, &end);
    return *end == '\0' && end > text + sign_needed;
}

int edf_tal_next(const uint8_t *bytes, size_t n, size_t *at, edf_tal *out)
{
    while (*at < n && bytes[*at] == 0) ++*at;
    if (*at == n) return 0;
    const uint8_t *list = bytes + *at, *end = memchr(list, 0, n - *at);
    *at = n;
    if (!end || end == list || end[-1] != SEPARATOR) return -1;
    const uint8_t *mark = memchr(list, SEPARATOR, (size_t)(end - list)), *duration = memchr(list, DURATION_FOLLOWS, (size_t)(mark - list));
    out->duration = NAN;
    if (!seconds(list, (size_t)((duration ? duration : mark) - list), 1, &out->onset)) return -1;
    if (duration && !seconds(duration + 1, (size_t)(mark - duration - 1), 0, &out->duration)) return -1;
    out->text = mark + 1;
    out->n_text = (size_t)(end - mark - 1);
    *at = (size_t)(end - bytes) + 1;
    return 1;
}

int edf_tal_text(const edf_tal *tal, size_t *at, const uint8_t **text, size_t *n)
{
    if (*at >= tal->n_text) return 0;
    *text = tal->text + *at;
    const uint8_t *end = memchr(*text, SEPARATOR, tal->n_text - *at);
    *n = end ? (size_t)(end - *text) : tal->n_text - *at;
    *at += *n + 1;
    return 1;
}

static const edf_signal *first_annotations(const edf_header *h)
{
    for (size_t i = 0; i < h->n_signals; i++)
        if (h->signals[i].is_annotation) return &h->signals[i];
    return NULL;
}

/** A data record's own time: the first list of its first annotation signal, with an empty first text. */
static int record_time(const edf_header *h, const uint8_t *bytes, const edf_signal *s, size_t record, double *onset)
{
    edf_tal tal;
    size_t  at = 0;
    const uint8_t *b = bytes + h->header_bytes + record * h->record_bytes + s->offset;
    if (edf_tal_next(b, (size_t)s->per_record * (size_t)h->width, &at, &tal) != 1 || tal.n_text == 0 || *tal.text != SEPARATOR) return 0;
    *onset = tal.onset;
    return 1;
}

/** The sample at which the recording ends, where its last data record says so; else end. */
static uint64_t stated_end(const edf_header *h, const uint8_t *bytes, const edf_timeline *t, uint64_t end)
{
    const uint8_t *record = bytes + h->header_bytes + (h->n_records - 1) * h->record_bytes, *text;
    for (size_t i = 0; i < h->n_signals; i++) {
        const edf_signal *s = &h->signals[i];
        edf_tal tal;
        size_t  at = 0, n;
        while (s->is_annotation && edf_tal_next(record + s->offset, (size_t)s->per_record * (size_t)h->width, &at, &tal) == 1)
            for (size_t k = 0; edf_tal_text(&tal, &k, &text, &n);) {
                const double sample = nearbyint((tal.onset - t->onset) * t->fs_hz);
                if (n == strlen(SHN_EDF_ENDS) && memcmp(text, SHN_EDF_ENDS, n) == 0 && sample > (double)(end - t->per_record) && sample < (double)end)
                    return (uint64_t)sample;
            }
    }
    return end;
}

static shn_status place_records(const edf_header *h, const uint8_t *bytes, const edf_signal *s, edf_timeline *t, shn_error *err)
{
    uint64_t end = 0;
    double   onset;
    t->start = shn_alloc(h->n_records, sizeof *t->start);       /* each of them is there: n_records is bounded by the file's size */
    if (!t->start) return shn_fail_nomem(err, "edf.annotations");
    for (size_t i = 0; i < h->n_records; i++) {
        if (!record_time(h, bytes, s, i, &onset))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "edf.annotations", "data record %zu of a discontinuous file does not say when it begins", i + 1);
        const double sample = (onset - t->onset) * t->fs_hz, nearest = nearbyint(sample);
        if (!(nearest >= -0.0 && nearest < 9e15))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "edf.annotations", "data record %zu begins at %g s, outside the recording", i + 1, onset);
        if ((uint64_t)nearest < end)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "edf.annotations", "data record %zu begins at %g s, before the end of the one before", i + 1, onset);
        if (fabs(sample - nearest) / t->fs_hz > t->off_grid_s) t->off_grid_s = fabs(sample - nearest) / t->fs_hz;
        t->n_gaps += (uint64_t)nearest > end;
        t->start[i] = (uint64_t)nearest;
        end = t->start[i] + t->per_record;
    }
    return SHN_OK;
}

shn_status edf_timeline_make(const edf_header *h, const uint8_t *bytes, uint32_t per_record, edf_timeline *t, shn_error *err)
{
    const edf_signal *s = first_annotations(h);
    shn_status        st = SHN_OK;
    memset(t, 0, sizeof *t);
    t->per_record = per_record;
    t->n_records = h->n_records;
    t->fs_hz = per_record / h->record_seconds;
    if (h->is_plus && s && !record_time(h, bytes, s, 0, &t->onset)) t->bad_lists = 1;
    if (h->is_discontinuous && !s)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "edf.annotations", "a discontinuous file without annotations, which would say when its data records begin");
    if (st == SHN_OK && h->is_discontinuous) st = place_records(h, bytes, s, t, err);
    if (st == SHN_OK) {
        const uint64_t end = edf_record_start(t, h->n_records - 1) + per_record;
        t->total = (size_t)(h->is_plus && s ? stated_end(h, bytes, t, end) : end);
    }
    return st;
}

void edf_timeline_free(edf_timeline *t)
{
    free(t->start);
    t->start = NULL;
}

size_t edf_record_after(const edf_timeline *t, uint64_t sample)
{
    if (!t->start) return (size_t)(sample / t->per_record) < t->n_records ? (size_t)(sample / t->per_record) : t->n_records;
    size_t low = 0, high = t->n_records;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (t->start[middle] + t->per_record > sample) high = middle;
        else low = middle + 1;
    }
    return low;
}
