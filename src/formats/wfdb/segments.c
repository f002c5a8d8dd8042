/**
 * Records in segments: headers and signal files of their own, one after another, some of them empty. With a fixed layout every segment has the
 * same signals; with a variable one the first "segment" is a header without samples that lists all signals, and a segment may lack some.
 * Only segments that the wanted part touches are opened; they are all checked before memory is taken.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/wfdb/read.h"

/** What is the same for all segments of a record. */
typedef struct whole {
    const wfdb_header        *record, *layout;
    const shn_source         *source;
    const shn_format_options *o;
    uint32_t                  most;
} whole;

/** What the segments read so far said about a lead of the record. */
typedef struct seen { int any, is_voltage, scaled; shn_unit_origin unit; shn_lead_cal calibration; } seen;

static shn_status open_header(const shn_source *source, const char *record_name, wfdb_header *h, shn_error *err)
{
    char           name[264];
    const uint8_t *bytes;
    size_t         n_bytes;
    memset(h, 0, sizeof *h);
    snprintf(name, sizeof name, "%s.hea", record_name);
    shn_status st = source->open(source->context, name, &bytes, &n_bytes, err);
    if (st != SHN_OK) return st;
    st = wfdb_header_parse(bytes, n_bytes, h, err);
    source->close(source->context, bytes, n_bytes);
    if (st == SHN_OK && h->n_segments)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "segment '%.80s' has segments of its own", record_name);
    if (st != SHN_OK) shn_error_prefix(err, "%s", name);
    return st;
}

/** Lead of the layout with the same name as a segment's signal `at`, the same place first; -1 if the layout lacks it. */
static int layout_lead(const wfdb_header *layout, const wfdb_signal *s, size_t at)
{
    if (at < layout->n_signals && strcmp(layout->signals[at].name, s->name) == 0) return (int)at;
    for (size_t i = 0; i < layout->n_signals; i++)
        if (strcmp(layout->signals[i].name, s->name) == 0) return (int)i;
    return -1;
}

static shn_status check_segment(const whole *w, const wfdb_segment *seg, const wfdb_header *h, shn_error *err)
{
    if (fabs(h->fs_hz - w->record->fs_hz) > 1e-9 * w->record->fs_hz || wfdb_most_per_frame(h) > w->most)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "segment '%.80s' has another rate than the record", seg->name);
    if (h->n_samples && h->n_samples < seg->n_samples)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "segment '%.80s' is shorter than the record says", seg->name);
    /* a fixed layout (its first segment has samples) is the same in every segment; a variable one may lack leads */
    if (w->layout->n_samples && h->n_signals != w->layout->n_signals)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "segment '%.80s' has %zu signals, the record %zu", seg->name,
                        h->n_signals, w->layout->n_signals);
    return SHN_OK;
}

/** Which lead each signal of the segment is, and that it says the same about units as the record and the segments before. */
static shn_status match_leads(const whole *w, const wfdb_segment *seg, const wfdb_header *h, int *lead_of, seen *leads, shn_error *err)
{
    for (size_t i = 0; i < h->n_signals; i++) {
        const wfdb_signal *s = &h->signals[i];
        const int          lead = lead_of[i] = layout_lead(w->layout, s, i);
        if (lead < 0) {
            if (!w->layout->n_samples) continue;
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "segment '%.80s' has a signal '%.40s' that the record lacks", seg->name, s->name);
        }
        seen              *l = &leads[lead];
        const double       mv = wfdb_unit_mv(s->unit);
        const shn_lead_cal c = wfdb_calibration(s, w->o);
        if ((w->layout->n_samples && wfdb_unit_mv(w->layout->signals[lead].unit) != mv) || (l->any && l->is_voltage != (mv != 0)))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "segment '%.80s' has '%.40s' in another unit", seg->name, s->name);
        const shn_unit_origin unit = wfdb_unit_origin(s, w->o);
        if (!l->any) *l = (seen){ 1, mv != 0, 1, unit, c };
        if (unit == SHN_UNIT_DEFAULT) l->unit = unit;                   /* as sure as the least sure of them */
        if (s->per_frame != w->most || c.gain_adu_per_mv != l->calibration.gain_adu_per_mv || c.baseline_adu != l->calibration.baseline_adu) l->scaled = 0;
        if (c.bits > l->calibration.bits) l->calibration.bits = c.bits;
    }
    return SHN_OK;
}

/** The part of a segment of n_frames from frame `start` of the record that lies in the record's samples first .. first + n - 1. 0: nothing. */
static int overlap(const whole *w, uint64_t start, uint64_t n_frames, uint64_t first, uint64_t n, wfdb_part *part)
{
    const uint64_t from = start * w->most, to = (start + n_frames) * w->most;
    const uint64_t low = from > first ? from : first, high = to < first + n ? to : first + n;
    if (low >= high) return 0;
    *part = (wfdb_part){ .n_frames = n_frames, .most = w->most, .first = low - from, .n = high - low, .at = (size_t)(low - first) };
    return 1;
}

/** Opens and checks one segment, and decodes its part if rec is not NULL. */
static shn_status read_one(const whole *w, const wfdb_segment *seg, const wfdb_part *part, seen *leads, shn_record *rec, shn_error *err)
{
    wfdb_header h;
    int         lead_of[SHN_LEADS_MAX];
    uint64_t    n_frames = seg->n_samples;
    shn_status  st = open_header(w->source, seg->name, &h, err);
    if (st == SHN_OK) st = wfdb_check_formats(&h, err);
    if (st == SHN_OK) st = check_segment(w, seg, &h, err);
    if (st == SHN_OK) st = match_leads(w, seg, &h, lead_of, leads, err);
    if (st == SHN_OK) st = wfdb_check_lengths(&h, w->source, &n_frames, err);
    for (size_t i = 0; st == SHN_OK && i < h.n_signals; i++)
        if (h.n_samples != seg->n_samples) h.signals[i].has_checksum = 0;       /* it is about all of the segment */
    if (st == SHN_OK && rec) st = wfdb_decode_part(&h, w->source, w->o, part, lead_of, rec, err);
    wfdb_header_free(&h);
    return st;
}

/** Every segment that samples first .. first + n - 1 touch. rec NULL: only checked. */
static shn_status read_touched(const whole *w, uint64_t first, uint64_t n, seen *leads, shn_record *rec, shn_error *err)
{
    uint64_t   start = 0;
    shn_status st = SHN_OK;
    for (size_t i = 0; st == SHN_OK && i < w->record->n_segments; i++) {
        const wfdb_segment *seg = &w->record->segments[i];
        wfdb_part           part;
        if (strcmp(seg->name, "~") != 0 && overlap(w, start, seg->n_samples, first, n, &part)) st = read_one(w, seg, &part, leads, rec, err);
        start += seg->n_samples;
    }
    return st;
}

static void apply_leads(const seen *leads, size_t n, shn_record *rec)
{
    for (size_t i = 0; i < n; i++) {
        if (!leads[i].any) continue;
        shn_record_set_unit(rec, i, leads[i].unit);
        if (leads[i].scaled) shn_record_set_calibration(rec, i, leads[i].calibration);
    }
}

static shn_status read_all(const whole *w, uint64_t total, shn_record **out, shn_error *err)
{
    const shn_input in = { .options = w->o };
    size_t          first, n;
    shn_record     *rec = NULL;
    shn_status      st = shn_input_range(&in, (size_t)(total * w->most), &first, &n, err);
    seen           *leads = shn_alloc(w->layout->n_signals, sizeof *leads);
    if (!leads) return shn_fail_nomem(err, "wfdb");
    if (st == SHN_OK) st = read_touched(w, first, n, leads, NULL, err);
    if (st == SHN_OK) st = wfdb_make_record(w->layout, w->record->fs_hz, total, w->o, &rec, err);
    if (st == SHN_OK) st = read_touched(w, first, n, leads, rec, err);
    if (st == SHN_OK) apply_leads(leads, w->layout->n_signals, rec);
    free(leads);
    if (st != SHN_OK) {
        shn_record_free(rec);
        return st;
    }
    *out = rec;
    return SHN_OK;
}

shn_status wfdb_read_segments(const wfdb_header *h, const shn_source *source, const shn_format_options *o, shn_record **out, shn_error *err)
{
    wfdb_header layout;
    uint64_t    total = 0;
    size_t      first = 0;
    for (size_t i = 0; i < h->n_segments; i++) total += h->segments[i].n_samples;   /* 100,000 of at most 2^34 */
    if (h->n_samples && h->n_samples != total)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "the segments have %" PRIu64 " samples, the record says %" PRIu64, total, h->n_samples);
    while (first < h->n_segments && strcmp(h->segments[first].name, "~") == 0) first++;
    if (first == h->n_segments) return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "wfdb.header", "every segment is empty");
    shn_status st = open_header(source, h->segments[first].name, &layout, err);   /* of a variable layout, or the first segment */
    if (st == SHN_OK && (layout.n_signals == 0 || layout.n_signals != h->n_signals))
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "the record has %zu signals, its first segment %zu", h->n_signals, layout.n_signals);
    const whole w = { .record = h, .layout = &layout, .source = source, .o = o, .most = wfdb_most_per_frame(&layout) };
    if (st == SHN_OK) st = read_all(&w, total, out, err);
    wfdb_header_free(&layout);
    if (st == SHN_OK) snprintf(shn_record_meta_mut(*out)->format, sizeof shn_record_meta_mut(*out)->format, "wfdb, %zu segments", h->n_segments);
    return st;
}
