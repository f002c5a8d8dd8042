/**
 * One file of a segment at a time: its signals ("a group") are interleaved frame by frame, or are the channels of a FLAC stream. Each signal is a
 * channel that is handed runs of its own samples with their number in the file; skew, the wanted part and the checksum are its business, so that
 * the ways of storing know nothing of them.
 */
#include "formats/wfdb/signal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/wfdb/decode.h"
#include "formats/wfdb/flac.h"

enum { BLOCK_SAMPLES = 1 << 15 };

/** Where one signal's samples go while its file is read. Positions count the signal's own samples in the file. */
typedef struct channel {
    const wfdb_signal *sig;
    float   *out;               /* [n_out] mV, NaN where nothing is written */
    float   *owned;             /* out, where it is not a lead of the record itself */
    uint64_t base, n_out;       /* out[0] is sample `base` of the file */
    uint64_t n_summed;          /* samples that the checksum is about; 0: it is not verified */
    double   mv_per_adu, baseline;
    int32_t  invalid, running;  /* running: the last value of format 8 */
    uint32_t sum;
    size_t   phase;             /* sample number inside the frame where the signal begins */
} channel;

double wfdb_unit_mv(const char *unit)
{
    static const struct { const char *name; double mv; } units[] = {
        { "", 1 }, { "mV", 1 }, { "uV", 1e-3 }, { "\xc2\xb5V", 1e-3 }, { "\xce\xbcV", 1e-3 }, { "microvolt", 1e-3 }, { "V", 1e3 }, { "nV", 1e-6 },
        { "millivolt", 1 }, { "volt", 1e3 },
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcasecmp(units[i].name, unit) == 0) return units[i].mv;
    return 0;
}

shn_unit_origin wfdb_unit_origin(const wfdb_signal *s, const shn_format_options *o)
{
    if (o->raw_microvolts) return SHN_UNIT_ASSUMED;
    if (wfdb_unit_mv(s->unit) == 0) return SHN_UNIT_NOT_VOLTAGE;
    return s->gain == 0 ? SHN_UNIT_DEFAULT : SHN_UNIT_DECLARED;
}

shn_lead_cal wfdb_calibration(const wfdb_signal *s, const shn_format_options *o)
{
    const double unit = wfdb_unit_mv(s->unit), gain = s->gain == 0 ? 200 : s->gain;
    const int    bits = wfdb_format_bits(s->format);
    if (o->raw_microvolts) return (shn_lead_cal){ 1000, 0, bits };
    return (shn_lead_cal){ gain / (unit == 0 ? 1 : unit), (double)s->baseline, bits };
}

uint32_t wfdb_most_per_frame(const wfdb_header *h)
{
    uint32_t most = 1;
    for (size_t i = 0; h->signals && i < h->n_signals; i++)         /* NULL: a record in segments, or a header that failed */
        if (h->signals[i].per_frame > most) most = h->signals[i].per_frame;
    return most;
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

static shn_status check_signal(const wfdb_header *h, size_t i, shn_error *err)
{
    const wfdb_signal *s = &h->signals[i];
    /* frames interleave the signals of a file: one that comes back after another file has no stated place in them */
    for (size_t j = 0; j + 1 < i && strcmp(s->file, "~") != 0; j++)
        if (strcmp(h->signals[j].file, s->file) == 0 && strcmp(h->signals[i - 1].file, s->file) != 0)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "signals of %.80s do not stand together", s->file);
    if (s->format != 0 && !wfdb_format_known(s->format))
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "wfdb.header", "signal %zu has format %d, which is not known", i, s->format);
    if (wfdb_format_is_flac(s->format) && s->byte_offset)       /* readers disagree on whether it counts bytes or samples */
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "wfdb.header", "signal %zu is FLAC (format %d) with an offset", i, s->format);
    return SHN_OK;
}

static shn_status check_group(const wfdb_header *h, size_t first, size_t n, shn_error *err)
{
    const wfdb_signal *s = &h->signals[first];
    for (size_t c = 1; c < n && strcmp(s->file, "~") != 0; c++) {
        const wfdb_signal *t = s + c;
        if (t->format != s->format || t->byte_offset != s->byte_offset)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "signals of %.80s differ in format or offset", s->file);
        if (wfdb_format_is_flac(s->format) && t->per_frame != s->per_frame)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.header", "signals of %.80s are FLAC channels but differ in samples per frame", s->file);
    }
    return SHN_OK;
}

shn_status wfdb_check_formats(const wfdb_header *h, shn_error *err)
{
    shn_status st = SHN_OK;
    for (size_t i = 0; i < h->n_signals && st == SHN_OK; i++) st = check_signal(h, i, err);
    for (size_t first = 0; first < h->n_signals && st == SHN_OK; first += group_size(h, first)) st = check_group(h, first, group_size(h, first), err);
    return st;
}

static shn_status inspect_flac(const wfdb_signal *s, size_t n, const uint8_t *bytes, size_t n_bytes, wfdb_flac_info *info, shn_error *err)
{
    const shn_status st = wfdb_flac_inspect(bytes, n_bytes, s->file, info, err);
    if (st != SHN_OK) return st;
    if (info->n_channels != n)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.flac", "%.80s has %u channels, the header %zu signals", s->file, info->n_channels, n);
    if ((int)info->bits > wfdb_format_bits(s->format))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "wfdb.flac", "%.80s has %u bits, format %d means at most %d", s->file, info->bits, s->format,
                        wfdb_format_bits(s->format));
    return SHN_OK;
}

/** Whole frames that the file of the group from signal `first` holds; UINT64_MAX: a FLAC stream that does not say. */
static shn_status count_frames(const wfdb_header *h, size_t first, const shn_source *source, uint64_t *n_frames, shn_error *err)
{
    const uint8_t *bytes;
    size_t         n_bytes;
    const size_t   n = group_size(h, first);
    const wfdb_signal *s = &h->signals[first];
    shn_status st = source->open(source->context, s->file, &bytes, &n_bytes, err);
    if (st != SHN_OK) return st;
    if (wfdb_format_is_flac(s->format)) {
        wfdb_flac_info info;
        st = inspect_flac(s, n, bytes, n_bytes, &info, err);
        *n_frames = st == SHN_OK && info.n_samples == 0 ? UINT64_MAX : info.n_samples / s->per_frame;
    } else *n_frames = s->byte_offset >= n_bytes ? 0 : wfdb_format_samples(s->format, n_bytes - s->byte_offset) / group_frame(h, first, n);
    source->close(source->context, bytes, n_bytes);
    return st;
}

shn_status wfdb_check_lengths(const wfdb_header *h, const shn_source *source, uint64_t *n_frames, shn_error *err)
{
    for (size_t first = 0; first < h->n_signals; first += group_size(h, first)) {
        uint64_t held;
        if (h->signals[first].format == 0) continue;
        const shn_status st = count_frames(h, first, source, &held, err);
        if (st != SHN_OK) return st;
        if (*n_frames == 0 && held == UINT64_MAX)
            return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "wfdb.flac", "%.80s: neither the stream nor the header says how many samples there are",
                            h->signals[first].file);
        if (*n_frames == 0) *n_frames = held;
        if (held == 0 || held < *n_frames)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "wfdb.signal", "%.80s holds %" PRIu64 " frames, the header says %" PRIu64
                            "; the file is cut off: copy it again", h->signals[first].file, held, *n_frames);
    }
    if (*n_frames == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "wfdb.header", "no signal has a file");
    return SHN_OK;
}

/** Samples at .. at + n - 1 of a channel's signal, v[k * stride] each; v is scratch. */
static void take_run(channel *ch, int32_t *v, size_t stride, uint64_t at, size_t n)
{
    const uint64_t end = ch->base + ch->n_out, low = at > ch->base ? at : ch->base, high = at + n < end ? at + n : end;
    if (ch->sig->format == 8)
        for (size_t k = 0; k < n; k++) v[k * stride] = ch->running = (int32_t)((uint32_t)ch->running + (uint32_t)v[k * stride]);
    if (at < ch->n_summed) {
        const size_t m = ch->n_summed - at < n ? (size_t)(ch->n_summed - at) : n;
        uint32_t sum = ch->sum;
        for (size_t k = 0; k < m; k++) sum += (uint32_t)v[k * stride];
        ch->sum = sum;
    }
    if (!ch->out || low >= high) return;
    const int32_t *from = v + (low - at) * stride;
    float         *to = ch->out + (low - ch->base);
    const double   baseline = ch->baseline, mv_per_adu = ch->mv_per_adu;
    for (size_t k = 0; k < high - low; k++) {
        const int32_t x = from[k * stride];
        to[k] = x == ch->invalid ? NAN : (float)(((double)x - baseline) * mv_per_adu);
    }
}

/** Hands a block of whole frames, the first of them frame `at` of the file, to the group's channels. */
static void distribute(channel *channels, size_t n, uint32_t frame, int32_t *raw, int32_t *scratch, uint64_t at, size_t n_frames)
{
    for (size_t c = 0; c < n; c++) {
        const uint32_t per = channels[c].sig->per_frame;
        int32_t       *own = raw + channels[c].phase;
        if (per == 1) {
            take_run(&channels[c], own, frame, at, n_frames);
            continue;
        }
        for (size_t f = 0; f < n_frames; f++) memcpy(scratch + f * per, own + f * frame, per * sizeof *own);
        take_run(&channels[c], scratch, 1, at * per, n_frames * per);
    }
}

/** Frames from .. to - 1 of an interleaved file. */
static shn_status read_interleaved(channel *channels, size_t n, uint32_t frame, const uint8_t *bytes, uint64_t from, uint64_t to, shn_error *err)
{
    const size_t block = frame >= BLOCK_SAMPLES ? 1 : BLOCK_SAMPLES / frame;
    int32_t     *raw = shn_alloc(2 * block * frame, sizeof *raw);
    if (!raw) return shn_fail_nomem(err, "wfdb.signal");
    for (uint64_t f = from; f < to; f += block) {
        const size_t count = (size_t)(to - f < block ? to - f : block);
        wfdb_unpack(channels[0].sig->format, bytes, f * frame, count * frame, raw);
        distribute(channels, n, frame, raw, raw + block * frame, f, count);
    }
    free(raw);
    return SHN_OK;
}

static void take_flac(void *context, uint64_t at, const int32_t *const *from, size_t n)
{
    channel *channels = context;
    const size_t n_channels = channels[0].phase;        /* of FLAC: how many there are */
    for (size_t c = 0; c < n_channels; c++) take_run(&channels[c], (int32_t *)(uintptr_t)from[c], 1, at, n);      /* only format 8 is written to */
}

static shn_status verify(const channel *ch, const shn_format_options *o, shn_record *rec, shn_error *err)
{
    const wfdb_signal *s = ch->sig;
    if (!s->has_checksum || ch->n_summed == 0 || (uint16_t)ch->sum == (uint16_t)s->checksum) return SHN_OK;
    if (o->verify_checksums)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_CHECKSUM, "wfdb.signal",
                        "signal '%.40s' in %.80s sums to %d, the header says %d; the file is damaged: copy it again", s->name, s->file,
                        (int)(int16_t)ch->sum, (int)(int16_t)s->checksum);
    shn_record_add_note(rec, SHN_REASON_CHECKSUM, "signal %.40s: checksum %d, header %d", s->name, (int)(int16_t)ch->sum, (int)(int16_t)s->checksum);
    return SHN_OK;
}

/** Reads of the group's file the frames from .. to - 1 that its channels want, and those that skew puts after them. */
static shn_status read_group(channel *channels, size_t n, const shn_source *source, uint64_t from, uint64_t to, shn_error *err)
{
    const wfdb_signal *s = channels[0].sig;
    const uint8_t *bytes = NULL;
    size_t   n_bytes = 0;
    uint32_t frame = 0, skew_max = 0;
    for (size_t c = 0; c < n; c++) {
        channels[c].phase = frame;
        frame += channels[c].sig->per_frame;
        if (channels[c].sig->skew > skew_max) skew_max = channels[c].sig->skew;
    }
    shn_status st = source->open(source->context, s->file, &bytes, &n_bytes, err);
    if (st != SHN_OK) return st;
    to += skew_max;
    if (wfdb_format_is_flac(s->format)) {
        wfdb_flac_info info;
        st = inspect_flac(s, n, bytes, n_bytes, &info, err);
        const uint64_t held = info.n_samples ? info.n_samples / s->per_frame : to - skew_max;
        channels[0].phase = n;
        if (to > held) to = held;
        if (st == SHN_OK && from < to)
            st = wfdb_flac_decode(bytes, n_bytes, s->file, &info, from * s->per_frame, (to - from) * s->per_frame, take_flac, channels, err);
    } else {
        const uint64_t held = wfdb_format_samples(s->format, n_bytes - s->byte_offset) / frame;     /* offset inside: wfdb_check_lengths */
        if (s->format == 8) from = 0;                   /* differences: everything before counts */
        if (to > held) to = held;
        if (from < to) st = read_interleaved(channels, n, frame, bytes + s->byte_offset, from, to, err);
    }
    source->close(source->context, bytes, n_bytes);
    return st;
}

/** Samples first .. first + n - 1 of a lead at `most` per frame out of a signal's own, [n_own] from sample base, by linear interpolation. */
static void interpolate(const float *own, uint64_t base, uint64_t n_own, uint32_t per, uint32_t most, uint64_t first, uint64_t n, float *out)
{
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t at = (first + i) * per / most - base, rest = (first + i) * per % most;
        const float    a = own[at], b = at + 1 < n_own ? own[at + 1] : a;
        out[i] = rest == 0 ? a : a + (b - a) * (float)rest / (float)most;
    }
}

/** The wanted part in whole frames: from .. to - 1, with the one after it that interpolation looks at. */
static void frames_of(const wfdb_part *p, uint64_t *from, uint64_t *to)
{
    *from = p->first / p->most;
    *to = (p->first + p->n - 1) / p->most + (p->most > 1 ? 2 : 1);
    if (*to > p->n_frames) *to = p->n_frames;
}

static shn_status open_channel(const wfdb_signal *s, const shn_format_options *o, const wfdb_part *p, int lead, shn_record *rec, channel *ch, shn_error *err)
{
    const double unit = wfdb_unit_mv(s->unit), gain = s->gain == 0 ? 200 : s->gain;
    const int    whole = p->first == 0 && p->n == p->n_frames * p->most;
    uint64_t     from, to;
    frames_of(p, &from, &to);
    *ch = (channel){ .sig = s, .running = (int32_t)s->initial, .invalid = wfdb_format_invalid(s->format),
                     .mv_per_adu = o->raw_microvolts ? 1e-3 : (unit == 0 ? 1 : unit) / gain,
                     .baseline = o->raw_microvolts ? 0 : (double)s->baseline, .base = (from + s->skew) * s->per_frame,
                     .n_out = (to - from) * s->per_frame, .n_summed = whole ? p->n_frames * s->per_frame : 0 };
    if (lead < 0) return SHN_OK;
    if (p->most == 1) {
        ch->out = shn_record_lead_mut(rec, (size_t)lead) + p->at;
        return SHN_OK;
    }
    ch->out = ch->owned = shn_alloc((size_t)ch->n_out, sizeof *ch->owned);
    if (!ch->owned) return shn_fail_nomem(err, "wfdb");
    for (uint64_t i = 0; i < ch->n_out; i++) ch->owned[i] = NAN;
    return SHN_OK;
}

static void finish_channel(channel *ch, const wfdb_part *p, int lead, int ok, shn_record *rec)
{
    const uint32_t per = ch->sig->per_frame;
    if (ok && ch->owned && ch->sig->format != 0)
        interpolate(ch->owned, ch->base - (uint64_t)ch->sig->skew * per, ch->n_out, per, p->most, p->first, p->n, shn_record_lead_mut(rec, (size_t)lead) + p->at);
    free(ch->owned);
    ch->owned = NULL;
}

shn_status wfdb_decode_part(const wfdb_header *h, const shn_source *source, const shn_format_options *o, const wfdb_part *part,
                            const int *lead_of, shn_record *rec, shn_error *err)
{
    shn_status st = SHN_OK;
    channel   *channels = shn_alloc(h->n_signals, sizeof *channels);
    uint64_t   from, to;
    if (!channels) return shn_fail_nomem(err, "wfdb");
    frames_of(part, &from, &to);
    for (size_t first = 0; first < h->n_signals && st == SHN_OK; ) {
        const size_t n = group_size(h, first);
        channel     *group = channels + first;
        size_t       opened = 0;
        for (; opened < n && st == SHN_OK; opened++) st = open_channel(&h->signals[first + opened], o, part, lead_of[first + opened], rec, &group[opened], err);
        if (st == SHN_OK && h->signals[first].format != 0) {
            st = read_group(group, n, source, from, to, err);
            for (size_t c = 0; c < n && st == SHN_OK; c++) st = verify(&group[c], o, rec, err);
        }
        for (size_t c = 0; c < opened; c++) finish_channel(&group[c], part, lead_of[first + c], st == SHN_OK, rec);
        first += n;
    }
    free(channels);
    return st;
}
