/**
 * A WFDB record from its header and the signal files that the source lends. One segment is decoded into its place in the
 * record; a plain record is one segment that fills it.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/wfdb/comments.h"
#include "formats/wfdb/decode.h"
#include "formats/wfdb/header.h"

enum { BLOCK_SAMPLES = 1 << 15 };

/** Where one signal's samples go while its file is read. */
typedef struct channel {
    const wfdb_signal *sig;
    float   *out;               /* [n_frames * per_frame] mV, NaN where nothing is written */
    double   mv_per_adu, baseline;
    int32_t  invalid, running;  /* running: the last value of format 8 */
    uint32_t sum;               /* of the stored values, for the checksum */
    size_t   phase;             /* sample number inside the frame where the signal begins */
} channel;

/** Millivolts per unit of the header; 0 if the unit is no voltage. */
static double unit_mv(const char *unit)
{
    static const struct { const char *name; double mv; } units[] = {
        { "", 1 }, { "mV", 1 }, { "uV", 1e-3 }, { "\xc2\xb5V", 1e-3 }, { "\xce\xbcV", 1e-3 }, { "microvolt", 1e-3 }, { "V", 1e3 }, { "nV", 1e-6 },
        { "millivolt", 1 }, { "volt", 1e3 },
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(units[i].name, unit) == 0) return units[i].mv;
    return 0;
}

static shn_unit_origin unit_origin(const wfdb_signal *s, const shn_format_options *o)
{
    if (o->raw_microvolts) return SHN_UNIT_ASSUMED;
    if (unit_mv(s->unit) == 0) return SHN_UNIT_NOT_VOLTAGE;
    return s->gain == 0 ? SHN_UNIT_DEFAULT : SHN_UNIT_DECLARED;
}

static shn_status check_formats(const wfdb_header *h, shn_error *err)
{
    for (size_t i = 0; i < h->n_signals; i++) {
        const wfdb_signal *s = &h->signals[i];
        /* frames interleave the signals of a file: one that comes back after another file has no stated place in them */
        for (size_t j = 0; j + 1 < i && strcmp(s->file, "~") != 0; j++)
            if (strcmp(h->signals[j].file, s->file) == 0 && strcmp(h->signals[i - 1].file, s->file) != 0)
                return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "signals of %.80s do not stand together", s->file);
        if (s->format == 508 || s->format == 516 || s->format == 524)
            return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "wfdb.header", "signal %zu is FLAC (format %d), which is not read yet", i, s->format);
        if (s->format != 0 && !wfdb_format_known(s->format))
            return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "wfdb.header", "signal %zu has format %d, which is not known", i, s->format);
    }
    return SHN_OK;
}

/** Signals first .. first + n - 1 share a file. */
static size_t group_size(const wfdb_header *h, size_t first)
{
    size_t n = 1;
    while (first + n < h->n_signals && strcmp(h->signals[first + n].file, h->signals[first].file) == 0) n++;
    return n;
}

static uint32_t group_frame(const wfdb_header *h, size_t first, size_t n)
{
    uint32_t samples = 0;
    for (size_t i = 0; i < n; i++) samples += h->signals[first + i].per_frame;     /* at most 256 * 10,000 */
    return samples;
}

/** Whole frames that the file of the group from signal `first` holds. */
static shn_status count_frames(const wfdb_header *h, size_t first, const shn_source *source, uint64_t *n_frames, shn_error *err)
{
    const uint8_t *bytes;
    size_t         n_bytes;
    const wfdb_signal *s = &h->signals[first];
    shn_status st = source->open(source->context, s->file, &bytes, &n_bytes, err);
    if (st != SHN_OK) return st;
    *n_frames = s->byte_offset >= n_bytes ? 0 : wfdb_format_samples(s->format, n_bytes - s->byte_offset) / group_frame(h, first, group_size(h, first));
    source->close(source->context, bytes, n_bytes);
    return SHN_OK;
}

/** Every file must hold what the header announces, before memory is taken for it. *n_frames 0: the first file's length counts. */
static shn_status check_lengths(const wfdb_header *h, const shn_source *source, uint64_t *n_frames, shn_error *err)
{
    for (size_t first = 0; first < h->n_signals; first += group_size(h, first)) {
        uint64_t held;
        if (h->signals[first].format == 0) continue;
        const shn_status st = count_frames(h, first, source, &held, err);
        if (st != SHN_OK) return st;
        if (*n_frames == 0) *n_frames = held;
        if (held == 0 || held < *n_frames)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "wfdb.signal", "%.80s holds %" PRIu64 " frames, the header says %" PRIu64
                            "; the file is cut off: copy it again", h->signals[first].file, held, *n_frames);
    }
    if (*n_frames == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "wfdb.header", "no signal has a file");
    return SHN_OK;
}

/** Files a block of raw samples, which begins at sample `at` of the file, among the group's channels. */
static void distribute(channel *channels, size_t n, uint32_t frame, const int32_t *raw, uint64_t at, size_t count, uint64_t n_frames)
{
    for (size_t c = 0; c < n; c++) {
        channel       *ch = &channels[c];
        const uint32_t per = ch->sig->per_frame;
        for (size_t f = 0; f * frame < count; f++) {
            const uint64_t stored = at / frame + f;
            for (uint32_t j = 0; j < per; j++) {
                int32_t v = raw[f * frame + ch->phase + j];
                if (ch->sig->format == 8) v = ch->running = (int32_t)((uint32_t)ch->running + (uint32_t)v);
                if (stored < n_frames) ch->sum += (uint32_t)v;
                if (stored < ch->sig->skew || stored - ch->sig->skew >= n_frames) continue;
                ch->out[(stored - ch->sig->skew) * per + j] =
                    v == ch->invalid ? NAN : (float)(((double)v - ch->baseline) * ch->mv_per_adu);
            }
        }
    }
}

static shn_status verify(const channel *ch, const shn_format_options *o, shn_record *rec, shn_error *err)
{
    const wfdb_signal *s = ch->sig;
    if (!s->has_checksum || (uint16_t)ch->sum == (uint16_t)s->checksum) return SHN_OK;
    if (o->verify_checksums)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_CHECKSUM, "wfdb.signal",
                        "signal '%.40s' in %.80s sums to %d, the header says %d; the file is damaged: copy it again", s->name, s->file,
                        (int)(int16_t)ch->sum, (int)(int16_t)s->checksum);
    shn_record_add_note(rec, SHN_REASON_CHECKSUM, "signal %.40s: checksum %d, header %d", s->name, (int)(int16_t)ch->sum, (int)(int16_t)s->checksum);
    return SHN_OK;
}

/** Reads the file of one group into its channels. */
static shn_status read_group(channel *channels, size_t n, const shn_source *source, const shn_format_options *o, uint64_t n_frames,
                             shn_record *rec, shn_error *err)
{
    const wfdb_signal *s = channels[0].sig;
    const uint8_t *bytes = NULL;
    size_t   n_bytes = 0;
    uint32_t frame = 0, skew_max = 0;
    int32_t *raw = NULL;
    for (size_t c = 0; c < n; c++) {
        const wfdb_signal *t = channels[c].sig;
        if (t->format != s->format || t->byte_offset != s->byte_offset)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "signals of %.80s differ in format or offset", s->file);
        channels[c].phase = frame;
        frame += t->per_frame;
        if (t->skew > skew_max) skew_max = t->skew;
    }
    shn_status st = source->open(source->context, s->file, &bytes, &n_bytes, err);
    if (st != SHN_OK) return st;
    const uint64_t held = wfdb_format_samples(s->format, n_bytes - s->byte_offset) / frame;     /* at least n_frames: check_lengths */
    const uint64_t frames = held < n_frames + skew_max ? held : n_frames + skew_max;
    const size_t   block = frame >= BLOCK_SAMPLES ? 1 : BLOCK_SAMPLES / frame;
    raw = shn_alloc(block * frame, sizeof *raw);
    if (!raw) {
        st = shn_fail_nomem(err, "wfdb.signal");
        goto cleanup;
    }
    for (uint64_t f = 0; f < frames; f += block) {
        const size_t count = (size_t)(frames - f < block ? frames - f : block) * frame;
        wfdb_unpack(s->format, bytes + s->byte_offset, f * frame, count, raw);
        distribute(channels, n, frame, raw, f * frame, count, n_frames);
    }
    for (size_t c = 0; c < n && st == SHN_OK; c++) st = verify(&channels[c], o, rec, err);
cleanup:
    free(raw);
    source->close(source->context, bytes, n_bytes);
    return st;
}

/** Spreads `own` [n_frames * per] over [n_frames * most] by linear interpolation; own samples keep their values. */
static void interpolate(const float *own, uint64_t n_own, uint32_t per, uint32_t most, float *out, uint64_t n_out)
{
    for (uint64_t i = 0; i < n_out; i++) {
        const uint64_t at = i * per / most, rest = i * per % most;
        const float    a = own[at], b = at + 1 < n_own ? own[at + 1] : a;
        out[i] = rest == 0 ? a : a + (b - a) * (float)rest / (float)most;
    }
}

/**
 * Decodes one plain header's signals into frames from `start_frame` of rec, which runs at `most` samples per frame.
 * @param lead_of  [n_signals] lead of rec for each signal, -1: not wanted
 */
static shn_status decode_segment(const wfdb_header *h, const shn_source *source, const shn_format_options *o, uint64_t n_frames,
                                 const int *lead_of, uint32_t most, uint64_t start_frame, shn_record *rec, shn_error *err)
{
    shn_status st = SHN_OK;
    channel   *channels = shn_alloc(h->n_signals, sizeof *channels);
    if (!channels) return shn_fail_nomem(err, "wfdb");
    for (size_t first = 0; first < h->n_signals && st == SHN_OK; ) {
        const size_t n = group_size(h, first);
        for (size_t c = 0; c < n && st == SHN_OK; c++) {
            const wfdb_signal *s = &h->signals[first + c];
            channel *ch = &channels[first + c];
            const double unit = unit_mv(s->unit), gain = s->gain == 0 ? 200 : s->gain;
            const size_t n_own = (size_t)n_frames * s->per_frame;
            *ch = (channel){ .sig = s, .running = (int32_t)s->initial, .invalid = wfdb_format_invalid(s->format),
                             .mv_per_adu = o->raw_microvolts ? 1e-3 : (unit == 0 ? 1 : unit) / gain,
                             .baseline = o->raw_microvolts ? 0 : (double)s->baseline };
            ch->out = shn_alloc(n_own, sizeof *ch->out);
            if (!ch->out) st = shn_fail_nomem(err, "wfdb");
            for (size_t i = 0; ch->out && s->skew && i < n_own; i++) ch->out[i] = NAN;
        }
        if (st == SHN_OK && h->signals[first].format != 0) st = read_group(channels + first, n, source, o, n_frames, rec, err);
        for (size_t c = 0; c < n; c++) {
            channel *ch = &channels[first + c];
            if (st == SHN_OK && lead_of[first + c] >= 0 && ch->sig->format != 0)
                interpolate(ch->out, n_frames * ch->sig->per_frame, ch->sig->per_frame, most,
                            shn_record_lead_mut(rec, (size_t)lead_of[first + c]) + start_frame * most, n_frames * most);
            free(ch->out);
        }
        first += n;
    }
    free(channels);
    return st;
}

static uint32_t most_per_frame(const wfdb_header *h)
{
    uint32_t most = 1;
    for (size_t i = 0; i < h->n_signals; i++)
        if (h->signals[i].per_frame > most) most = h->signals[i].per_frame;
    return most;
}

/** A record with the header's leads, all gaps, and what the header says about them. */
static shn_status make_record(const wfdb_header *h, uint64_t n_frames, double fs_hz, const shn_format_options *o, shn_record **out, shn_error *err)
{
    const uint32_t most = most_per_frame(h);
    if (n_frames > SHN_SAMPLES_MAX / most)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "wfdb.header", "%" PRIu64 " frames of %u samples", n_frames, most);
    const shn_status st = shn_record_new(h->n_signals, (size_t)n_frames * most, fs_hz * most, out, err);
    if (st != SHN_OK) return st;
    for (size_t i = 0; i < h->n_signals; i++) {
        const wfdb_signal *s = &h->signals[i];
        float *x = shn_record_lead_mut(*out, i);
        shn_record_set_name(*out, i, s->name);
        shn_record_set_unit(*out, i, unit_origin(s, o));
        for (size_t t = 0; t < shn_record_n_samples(*out); t++) x[t] = NAN;
        if (s->per_frame != most)
            shn_record_add_note(*out, SHN_REASON_UPSAMPLING, "signal %.30s stored at %g Hz, interpolated to %g Hz", s->name, fs_hz * s->per_frame, fs_hz * most);
    }
    snprintf(shn_record_meta_mut(*out)->format, sizeof shn_record_meta_mut(*out)->format, "wfdb %d", h->n_signals ? h->signals[0].format : 0);
    return SHN_OK;
}

static shn_status read_plain(const wfdb_header *h, const shn_source *source, const shn_format_options *o, shn_record **out, shn_error *err)
{
    int         lead_of[SHN_LEADS_MAX];
    uint64_t    n_frames = h->n_samples;
    shn_record *rec = NULL;
    if (h->n_signals == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "wfdb.header", "the record has no signals");
    shn_status st = check_formats(h, err);
    if (st == SHN_OK) st = check_lengths(h, source, &n_frames, err);
    if (st == SHN_OK) st = make_record(h, n_frames, h->fs_hz, o, &rec, err);
    for (size_t i = 0; i < h->n_signals; i++) lead_of[i] = (int)i;
    if (st == SHN_OK) st = decode_segment(h, source, o, n_frames, lead_of, most_per_frame(h), 0, rec, err);
    if (st != SHN_OK) {
        shn_record_free(rec);
        return st;
    }
    *out = rec;
    return SHN_OK;
}

/* ---- several segments ---- */

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

static shn_status read_one_segment(const wfdb_header *whole, const wfdb_header *layout, const wfdb_segment *seg, const shn_source *source,
                                   const shn_format_options *o, uint64_t start, shn_record *rec, shn_error *err)
{
    wfdb_header h;
    int         lead_of[SHN_LEADS_MAX];
    shn_status  st = open_header(source, seg->name, &h, err);
    if (st == SHN_OK) st = check_formats(&h, err);
    if (st == SHN_OK && (fabs(h.fs_hz - whole->fs_hz) > 1e-9 * whole->fs_hz || most_per_frame(&h) > most_per_frame(layout)))
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "segment '%.80s' has another rate than the record", seg->name);
    if (st == SHN_OK && h.n_samples && h.n_samples < seg->n_samples)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "segment '%.80s' is shorter than the record says", seg->name);
    /* a fixed layout (its first segment has samples) is the same in every segment; a variable one may lack leads */
    if (st == SHN_OK && layout->n_samples && h.n_signals != layout->n_signals)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "segment '%.80s' has %zu signals, the record %zu", seg->name,
                      h.n_signals, layout->n_signals);
    for (size_t i = 0; st == SHN_OK && i < h.n_signals; i++) {
        lead_of[i] = layout_lead(layout, &h.signals[i], i);
        if (lead_of[i] < 0 && layout->n_samples)
            st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "segment '%.80s' has a signal '%.40s' that the record lacks",
                          seg->name, h.signals[i].name);
        if (lead_of[i] >= 0 && unit_mv(h.signals[i].unit) != unit_mv(layout->signals[lead_of[i]].unit) && layout->n_samples)
            st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "segment '%.80s' has '%.40s' in another unit", seg->name,
                          h.signals[i].name);
        if (lead_of[i] >= 0) shn_record_set_unit(rec, (size_t)lead_of[i], unit_origin(&h.signals[i], o));
        if (h.n_samples != seg->n_samples) h.signals[i].has_checksum = 0;       /* it is about all of the segment */
    }
    uint64_t n_frames = seg->n_samples;
    if (st == SHN_OK) st = check_lengths(&h, source, &n_frames, err);
    if (st == SHN_OK) st = decode_segment(&h, source, o, seg->n_samples, lead_of, most_per_frame(layout), start, rec, err);
    wfdb_header_free(&h);
    return st;
}

static shn_status read_segments(const wfdb_header *h, const shn_source *source, const shn_format_options *o, shn_record **out, shn_error *err)
{
    wfdb_header layout;
    uint64_t    total = 0, start = 0;
    shn_record *rec = NULL;
    size_t      first = 0;
    for (size_t i = 0; i < h->n_segments; i++) total += h->segments[i].n_samples;   /* 100,000 of at most 2^36 */
    if (h->n_samples && h->n_samples != total)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "the segments have %" PRIu64 " samples, the record says %" PRIu64, total, h->n_samples);
    while (first < h->n_segments && strcmp(h->segments[first].name, "~") == 0) first++;
    if (first == h->n_segments) return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "wfdb.header", "every segment is empty");
    shn_status st = open_header(source, h->segments[first].name, &layout, err);   /* of a variable layout, or the first segment */
    if (st == SHN_OK && (layout.n_signals == 0 || layout.n_signals != h->n_signals))
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "the record has %zu signals, its first segment %zu", h->n_signals, layout.n_signals);
    if (st == SHN_OK) st = make_record(&layout, total, h->fs_hz, o, &rec, err);
    for (size_t i = 0; st == SHN_OK && i < h->n_segments; i++) {
        const wfdb_segment *seg = &h->segments[i];
        if (seg->n_samples && strcmp(seg->name, "~") != 0) st = read_one_segment(h, &layout, seg, source, o, start, rec, err);
        start += seg->n_samples;
    }
    wfdb_header_free(&layout);
    if (st != SHN_OK) {
        shn_record_free(rec);
        return st;
    }
    snprintf(shn_record_meta_mut(rec)->format, sizeof shn_record_meta_mut(rec)->format, "wfdb, %zu segments", h->n_segments);
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
    if (st == SHN_OK) st = h.n_segments ? read_segments(&h, source, &o, out, err) : read_plain(&h, source, &o, out, err);
    if (st == SHN_OK) st = wfdb_apply_comments(&h, *out, err);
    if (st != SHN_OK) {
        shn_record_free(*out);
        *out = NULL;
    }
    wfdb_header_free(&h);
    return st;
}
