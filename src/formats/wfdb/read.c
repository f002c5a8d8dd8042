/**
 * A WFDB record from its header and the signal files that the source lends: a plain record, or several segments (segments.c). Only the part that
 * the options ask for is decoded and held.
 */
#include "formats/wfdb/read.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fail.h"
#include "formats/wfdb/comments.h"

shn_status wfdb_make_record(const wfdb_header *h, double fs_hz, uint64_t n_frames, const shn_format_options *o, shn_record **out, shn_error *err)
{
    const uint32_t  most = wfdb_most_per_frame(h);
    const uint64_t  total = n_frames * most;                /* at most 2^37 frames of 10,000 */
    const shn_input in = { .options = o };
    size_t          first, n;
    shn_status      st = shn_input_range(&in, (size_t)total, &first, &n, err);
    if (st != SHN_OK) return st;
    if (n > SHN_SAMPLES_MAX / h->n_signals)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "wfdb.header", "%zu samples of %zu signals, at most %zu in all; read it in parts", n, h->n_signals,
                        SHN_SAMPLES_MAX);
    st = shn_record_new(h->n_signals, n, fs_hz * most, out, err);
    if (st != SHN_OK) return st;
    for (size_t i = 0; i < h->n_signals; i++) {
        const wfdb_signal *s = &h->signals[i];
        float *x = shn_record_lead_mut(*out, i);
        shn_record_set_name(*out, i, s->name);
        shn_record_set_unit(*out, i, wfdb_unit_origin(s, o));
        for (size_t t = 0; t < n; t++) x[t] = NAN;
        if (s->per_frame != most)
            shn_record_add_note(*out, SHN_REASON_UPSAMPLING, "signal %.30s stored at %g Hz, interpolated to %g Hz", s->name, fs_hz * s->per_frame, fs_hz * most);
    }
    shn_record_meta *meta = shn_record_meta_mut(*out);
    snprintf(meta->format, sizeof meta->format, "wfdb %d", h->signals[0].format);
    meta->first_sample = first;
    meta->total_samples = (size_t)total;
    return SHN_OK;
}

static shn_status read_plain(const wfdb_header *h, const shn_source *source, const shn_format_options *o, shn_record **out, shn_error *err)
{
    int            lead_of[SHN_LEADS_MAX];
    const uint32_t most = wfdb_most_per_frame(h);
    uint64_t       n_frames = h->n_samples;
    shn_record    *rec = NULL;
    if (h->n_signals == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "wfdb.header", "the record has no signals");
    shn_status st = wfdb_check_formats(h, err);
    if (st == SHN_OK) st = wfdb_check_lengths(h, source, &n_frames, err);
    if (st == SHN_OK) st = wfdb_make_record(h, h->fs_hz, n_frames, o, &rec, err);
    if (st != SHN_OK) return st;
    const wfdb_part part = { .n_frames = n_frames, .most = most, .first = shn_record_meta_of(rec)->first_sample, .n = shn_record_n_samples(rec) };
    for (size_t i = 0; i < h->n_signals; i++) {
        lead_of[i] = (int)i;
        if (h->signals[i].per_frame == most && h->signals[i].format != 0)       /* interpolated samples are no scaled integers */
            shn_record_set_calibration(rec, i, wfdb_calibration(&h->signals[i], o));
    }
    st = wfdb_decode_part(h, source, o, &part, lead_of, rec, err);
    if (st != SHN_OK) {
        shn_record_free(rec);
        return st;
    }
    *out = rec;
    return SHN_OK;
}

shn_status shn_wfdb_read(const uint8_t *header, size_t n_bytes, const shn_source *source, const shn_format_options *options,
                         shn_record **out, shn_error *err)
{
    shn_format_options o;
    wfdb_header        h;
    *out = NULL;
    shn_format_defaults(&o);
    if (options) o = *options;
    shn_status st = wfdb_header_parse(header, n_bytes, &h, err);
    if (st == SHN_OK) st = h.n_segments ? wfdb_read_segments(&h, source, &o, out, err) : read_plain(&h, source, &o, out, err);
    if (st == SHN_OK) st = wfdb_apply_comments(&h, *out, err);
    if (st == SHN_OK && h.n_ignored)
        shn_record_add_note(*out, SHN_REASON_BAD_HEADER, "%zu lines after the last signal line are neither signals nor comments", h.n_ignored);
    if (st != SHN_OK) {
        shn_record_free(*out);
        *out = NULL;
    }
    wfdb_header_free(&h);
    return st;
}
