/**
 * A record from an EDF, EDF+ or BDF file, or a part of one: the header says where the samples lie, the timeline when. Signals at the record's
 * rate are copied with their scale, others interpolated; annotations become statements and gaps.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "formats/edf/deidentify.h"
#include "formats/edf/identity.h"
#include "formats/edf/tal.h"

enum { TEXT_MAX = 512 };

/** What one reading works on. */
typedef struct reading {
    const edf_header   *h;
    const uint8_t      *bytes;
    const edf_timeline *t;
    size_t              first, n;       /* samples asked for */
    shn_record         *rec;
} reading;

/** Nothing below 256 bytes of a header can be a line of text: so a table that begins with "0" is not taken for EDF. */
static int recognises(const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes < 8) return 0;
    if (bytes[0] == 0xff) return memcmp(bytes + 1, "BIOSEMI", 7) == 0;
    return memcmp(bytes, "0       ", 8) == 0 && !memchr(bytes, '\n', n_bytes < 256 ? n_bytes : 256);
}

static inline int32_t read_i24le(const uint8_t *p)
{
    return (int32_t)((uint32_t)(p[0] | p[1] << 8 | p[2] << 16) ^ 0x800000u) - 0x800000;
}

/** mV = (digital - zero) * step; a signal without range keeps its digital values. */
typedef struct scale { double step, zero; } scale;

static scale scale_of(const edf_signal *s)
{
    if (s->gain == 0) return (scale){ 1, 0 };
    return (scale){ (s->unit_mv == 0 ? 1 : s->unit_mv) / s->gain, s->baseline };
}

static double value_at(const reading *r, const edf_signal *s, size_t record, size_t i)
{
    const uint8_t *b = r->bytes + r->h->header_bytes + record * r->h->record_bytes + s->offset;
    return r->h->width == 2 ? read_i16le(b + 2 * i) : read_i24le(b + 3 * i);
}

static void copy_scaled(const reading *r, const edf_signal *s, size_t record, size_t from, size_t n, float *out)
{
    const scale    c = scale_of(s);
    const uint8_t *b = r->bytes + r->h->header_bytes + record * r->h->record_bytes + s->offset + from * (size_t)r->h->width;
    if (r->h->width == 2)
        for (size_t i = 0; i < n; i++) out[i] = (float)((read_i16le(b + 2 * i) - c.zero) * c.step);
    else
        for (size_t i = 0; i < n; i++) out[i] = (float)((read_i24le(b + 3 * i) - c.zero) * c.step);
}

/** Samples of a signal of another rate: linear between its own, the last one held where no data record follows at once. */
static void interpolate(const reading *r, const edf_signal *s, size_t record, size_t from, size_t n, float *out)
{
    const scale    c = scale_of(s);
    const uint64_t per = r->t->per_record;
    const int      followed = record + 1 < r->t->n_records && edf_record_start(r->t, record + 1) == edf_record_start(r->t, record) + per;
    for (size_t i = 0; i < n; i++) {
        const uint64_t at = (from + i) * s->per_record;         /* in 1/per of its samples; both below 2^26 */
        const size_t   k = (size_t)(at / per);
        const double   part = (double)(at % per) / (double)per, a = value_at(r, s, record, k);
        const double   b = k + 1 < s->per_record ? value_at(r, s, record, k + 1) : followed ? value_at(r, s, record + 1, 0) : a;
        out[i] = (float)((a + (b - a) * part - c.zero) * c.step);
    }
}

static void decode(const reading *r)
{
    const uint64_t per = r->t->per_record, end = (uint64_t)r->first + r->n;
    uint64_t       done = r->first;
    size_t         record = edf_record_after(r->t, r->first);
    for (; done < end; record++) {
        const uint64_t start = record < r->t->n_records ? edf_record_start(r->t, record) : end;
        const uint64_t from = start < done ? done : start < end ? start : end, to = start >= end ? end : start + per < end ? start + per : end;
        size_t lead = 0;
        for (size_t i = 0; i < r->h->n_signals; i++) {
            const edf_signal *s = &r->h->signals[i];
            if (s->is_annotation) continue;
            float *x = shn_record_lead_mut(r->rec, lead++);
            for (uint64_t k = done; k < from; k++) x[k - r->first] = NAN;
            if (to == from) continue;
            if (s->per_record == per) copy_scaled(r, s, record, (size_t)(from - start), (size_t)(to - from), x + (from - r->first));
            else interpolate(r, s, record, (size_t)(from - start), (size_t)(to - from), x + (from - r->first));
        }
        done = to;
    }
}

/** The rate of the ECG leads, else of the voltages, else of all: the largest number of samples in a data record among them. */
static uint32_t samples_per_record(const edf_header *h)
{
    uint32_t most[3] = { 0, 0, 0 };
    for (size_t i = 0; i < h->n_signals; i++) {
        const edf_signal *s = &h->signals[i];
        const int kind = s->is_ecg ? 0 : s->unit_mv != 0 ? 1 : 2;
        if (!s->is_annotation && s->per_record > most[kind]) most[kind] = s->per_record;
    }
    return most[0] ? most[0] : most[1] ? most[1] : most[2];
}

/** How many of the samples asked for lie between data records. */
static uint64_t gap_samples(const edf_timeline *t, uint64_t first, uint64_t n)
{
    uint64_t covered = 0;
    for (size_t i = edf_record_after(t, first); i < t->n_records && edf_record_start(t, i) < first + n; i++) {
        const uint64_t start = edf_record_start(t, i), end = start + t->per_record;
        covered += (end < first + n ? end : first + n) - (start > first ? start : first);
    }
    return n - covered;
}

static void describe_leads(const reading *r)
{
    size_t lead = 0;
    for (size_t i = 0; i < r->h->n_signals; i++) {
        const edf_signal *s = &r->h->signals[i];
        shn_unit_origin   origin = SHN_UNIT_DECLARED;
        if (s->is_annotation) continue;
        if (s->gain == 0 || (!*s->dimension && s->is_ecg)) origin = SHN_UNIT_UNKNOWN;
        else if (s->unit_mv == 0) origin = SHN_UNIT_NOT_VOLTAGE;
        if (s->gain == 0)
            shn_record_add_note(r->rec, SHN_REASON_BAD_VALUE, "signal '%s': its physical and digital range give no scale; values are digital steps", s->label);
        if (s->per_record < r->t->per_record)
            shn_record_add_note(r->rec, SHN_REASON_UPSAMPLING, "signal '%s' stored at %g Hz, interpolated to %g Hz", s->label, s->per_record / r->h->record_seconds, r->t->fs_hz);
        if (s->per_record > r->t->per_record)
            shn_record_add_note(r->rec, SHN_REASON_FS_MISMATCH, "signal '%s' stored at %g Hz, taken at %g Hz without a filter", s->label, s->per_record / r->h->record_seconds, r->t->fs_hz);
        shn_record_set_name(r->rec, lead, s->name);
        shn_record_set_unit(r->rec, lead, origin);
        if (s->gain != 0 && s->per_record == r->t->per_record)
            shn_record_set_calibration(r->rec, lead, (shn_lead_cal){ s->gain / (s->unit_mv == 0 ? 1 : s->unit_mv), s->baseline, 8 * r->h->width });
        shn_record_meta *meta = shn_record_meta_mut(r->rec);
        if (s->is_ecg && !*meta->filters) snprintf(meta->filters, sizeof meta->filters, "%s", s->prefilter);
        lead++;
    }
}

static void note_file(const reading *r)
{
    const edf_header *h = r->h;
    if (h->open_ended)
        shn_record_add_note(r->rec, SHN_REASON_TRUNCATED, "the recording was never closed (data records: -1); the %zu that are there are read", h->n_records);
    if (h->spare_bytes) shn_record_add_note(r->rec, SHN_REASON_BAD_HEADER, "%zu bytes after the last data record are not read", h->spare_bytes);
    if (r->t->n_gaps) shn_record_add_note(r->rec, SHN_REASON_GAPS, "discontinuous: %zu gaps between data records", r->t->n_gaps);
    if (r->t->off_grid_s * r->t->fs_hz > 0.01)
        shn_record_add_note(r->rec, SHN_REASON_GAPS, "data records begin up to %.3g ms away from a sample's time; moved to the nearest", 1e3 * r->t->off_grid_s);
    if (r->t->bad_lists) shn_record_add_note(r->rec, SHN_REASON_BAD_HEADER, "the first data record does not say when it begins; 0 s is taken");
    static const char *const kinds[2][3] = { { "EDF", "EDF+C", "EDF+D" }, { "BDF", "BDF+C", "BDF+D" } };
    snprintf(shn_record_meta_mut(r->rec)->format, sizeof shn_record_meta_of(r->rec)->format, "edf (%s)", kinds[h->width == 3][h->is_plus + h->is_discontinuous]);
}

/** 1 if the text after "@@" names the signal. */
static int names_signal(const uint8_t *text, size_t n, const edf_signal *s, size_t number)
{
    char place[24];
    snprintf(place, sizeof place, "#%zu", number);
    return (n == strlen(s->label) && memcmp(text, s->label, n) == 0) || (n == strlen(place) && memcmp(text, place, n) == 0);
}

/** NaN where "Gap" or "Gap@@V1" says so. 0: the text is something else. */
static int take_gap(const reading *r, const edf_tal *tal, const uint8_t *text, size_t n)
{
    const size_t word = strlen(SHN_EDF_GAP);
    if (n < word || memcmp(text, SHN_EDF_GAP, word) != 0 || !(tal->duration > 0) || (n > word && (n < word + 3 || memcmp(text + word, "@@", 2) != 0))) return 0;
    const double from = nearbyint((tal->onset - r->t->onset) * r->t->fs_hz) - (double)r->first, to = from + nearbyint(tal->duration * r->t->fs_hz);
    if (!(to > 0 && from < (double)r->n)) return 1;
    const size_t a = from > 0 ? (size_t)from : 0, b = to < (double)r->n ? (size_t)to : r->n;
    size_t lead = 0;
    for (size_t i = 0; i < r->h->n_signals; i++) {
        if (r->h->signals[i].is_annotation) continue;
        if (n == word || names_signal(text + word + 2, n - word - 2, &r->h->signals[i], i + 1))
            for (size_t k = a; k < b; k++) shn_record_lead_mut(r->rec, lead)[k] = NAN;
        lead++;
    }
    return 1;
}

/** "qrs_duration 98 ms". 0: it is none. */
static int take_measurement(const reading *r, const char *words, shn_status *st, shn_error *err)
{
    char   name[32], unit[16] = "";
    double value;
    if (sscanf(words, "%31s %lf %15s", name, &value, unit) < 2 || !isfinite(value)) return 0;
    *st = shn_record_add_measurement(r->rec, name, value, unit, err);
    return 1;
}

static shn_status take_statement(const reading *r, const edf_tal *tal, const uint8_t *text, size_t n, shn_error *err)
{
    char         words[2 * TEXT_MAX + 1], line[2 * TEXT_MAX + 96];
    const double at = tal->onset - r->t->onset;
    edf_text(text, n < TEXT_MAX ? n : TEXT_MAX, words);
    const int  plain = isnan(tal->duration) && fabs(at) < 1e-9;
    shn_status st = SHN_OK;
    if (plain && strncmp(words, SHN_EDF_CODE, strlen(SHN_EDF_CODE)) == 0) return shn_record_add_label(r->rec, words + strlen(SHN_EDF_CODE), err);
    if (plain && strncmp(words, SHN_EDF_MEASUREMENT, strlen(SHN_EDF_MEASUREMENT)) == 0 && take_measurement(r, words + strlen(SHN_EDF_MEASUREMENT), &st, err)) return st;
    if (plain) snprintf(line, sizeof line, "%s", words);
    else if (isnan(tal->duration)) snprintf(line, sizeof line, "%+.9g s: %s", at, words);
    else snprintf(line, sizeof line, "%+.9g s (%.9g s): %s", at, tal->duration, words);
    return shn_record_add_statement(r->rec, line, err);
}

static shn_status take_annotations(const reading *r, shn_error *err)
{
    const edf_header *h = r->h;
    size_t            n_statements = 0, n_bad = 0;
    shn_status        st = SHN_OK;
    for (size_t record = 0; record < h->n_records; record++)
        for (size_t i = 0; i < h->n_signals; i++) {
            const edf_signal *s = &h->signals[i];
            const uint8_t    *b = r->bytes + h->header_bytes + record * h->record_bytes + s->offset, *text;
            edf_tal           tal;
            size_t            at = 0, n;
            if (!s->is_annotation) continue;
            for (int found; (found = edf_tal_next(b, (size_t)s->per_record * (size_t)h->width, &at, &tal)) != 0;) {
                n_bad += found < 0;
                for (size_t k = 0; found > 0 && st == SHN_OK && edf_tal_text(&tal, &k, &text, &n);) {
                    const int ends = n == strlen(SHN_EDF_ENDS) && memcmp(text, SHN_EDF_ENDS, n) == 0;
                    if (n && !ends && !take_gap(r, &tal, text, n) && n_statements++ < SHN_EDF_STATEMENTS_MAX) st = take_statement(r, &tal, text, n, err);
                }
            }
        }
    if (n_statements > SHN_EDF_STATEMENTS_MAX)
        shn_record_add_note(r->rec, SHN_REASON_LIMIT, "%zu annotations, the first %d are kept", n_statements, SHN_EDF_STATEMENTS_MAX);
    if (n_bad) shn_record_add_note(r->rec, SHN_REASON_BAD_HEADER, "%zu data records with annotations that are no time-stamped lists", n_bad);
    return st;
}

static shn_status read_samples(const shn_input *in, reading *r, shn_error *err)
{
    shn_status st = shn_input_range(in, r->t->total, &r->first, &r->n, err);
    if (st != SHN_OK) return st;
    const uint64_t gaps = gap_samples(r->t, r->first, r->n);
    if (gaps > SHN_EDF_GAPS_MAX / r->h->n_leads)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "edf.annotations", "gaps of %.0f s between data records, at most %zu samples of all leads at once; "
                        "split the recording at its gaps, or read it in parts", (double)gaps / r->t->fs_hz, SHN_EDF_GAPS_MAX);
    st = shn_record_new(r->h->n_leads, r->n, r->t->fs_hz, &r->rec, err);
    if (st != SHN_OK) return st;
    describe_leads(r);
    decode(r);
    st = take_annotations(r, err);
    note_file(r);
    edf_identity_apply(r->h, in->name, r->rec);
    shn_record_meta *meta = shn_record_meta_mut(r->rec);
    meta->first_sample = r->first;
    meta->total_samples = r->t->total;
    return st;
}

static shn_status read_record(const shn_input *in, shn_record **out, shn_error *err)
{
    edf_header   h;
    edf_timeline t = { .start = NULL };
    reading      r = { .h = &h, .bytes = in->bytes, .t = &t };
    *out = NULL;
    shn_status st = edf_header_parse(in->bytes, in->n_bytes, &h, err);
    if (st == SHN_OK && h.n_leads == 0)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "edf.header", "holds annotations only, no signals");
    if (st == SHN_OK) st = edf_timeline_make(&h, in->bytes, samples_per_record(&h), &t, err);
    if (st == SHN_OK) st = read_samples(in, &r, err);
    if (st == SHN_OK) *out = r.rec;
    else shn_record_free(r.rec);
    edf_timeline_free(&t);
    edf_header_free(&h);
    return st;
}

const shn_reader shn_reader_edf = { .name = "edf", .title = "EDF/BDF", .recognises = recognises, .read = read_record, .deidentify = edf_deidentify };
