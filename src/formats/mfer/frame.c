/** Frames: the layout of the samples under the definitions in force at a WAV, and which frames make one record. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "formats/mfer/mfer.h"

size_t mfer_type_size(int type)
{
    static const uint8_t sizes[MFER_TYPES] = { 2, 2, 4, 1, 2, 1, 4, 4, 8, 1 };
    return type >= 0 && type < MFER_TYPES ? sizes[type] : 0;
}

static int has(const mfer_attributes *a, int tag) { return (int)(a->has >> tag & 1); }

/** A channel's own attributes where it has them, else the file's. A lead name outside a channel is the first channel's. */
static mfer_attributes effective(const mfer_file *f, size_t channel)
{
    mfer_attributes a = f->common;
    const mfer_attributes *own = &f->own[channel];
    if (channel > 0) a.has &= ~((uint32_t)1 << MFER_LDN);
    if (has(own, MFER_BLK)) a.block = own->block;
    if (has(own, MFER_SEQ)) a.sequences = own->sequences;
    if (has(own, MFER_WFM)) a.waveform = own->waveform;
    if (has(own, MFER_DTP)) a.type = own->type;
    if (has(own, MFER_IVL)) a.interval = own->interval;
    if (has(own, MFER_SEN)) a.resolution = own->resolution;
    if (has(own, MFER_OFF)) a.offset = own->offset;
    if (has(own, MFER_NUL)) a.null = own->null;
    if (has(own, MFER_LDN)) {
        a.lead = own->lead;
        memcpy(a.lead_text, own->lead_text, sizeof a.lead_text);
    }
    a.has |= own->has;
    if (!has(&a, MFER_BLK)) a.block = 1;
    if (!has(&a, MFER_DTP)) a.type = MFER_I16;
    if (!has(&a, MFER_WFM)) a.waveform = 0;
    if (!has(&a, MFER_LDN)) a.lead = 0, *a.lead_text = '\0';
    return a;
}

uint64_t mfer_frame_bytes(const mfer_file *f)
{
    uint64_t sequence = 0, whole, n = 0;
    for (size_t i = 0; i < f->n_channels; i++) {            /* 256 channels of 2^32 samples of 8 bytes at most */
        const mfer_attributes a = effective(f, i);
        if (!has(&a, MFER_SEQ) || (n && a.sequences != n)) return 0;
        n = a.sequences;
        sequence += a.block * mfer_type_size(a.type);
    }
    return __builtin_mul_overflow(sequence, n, &whole) ? 0 : whole;
}

/** An offset or null value in the channel's data type. */
static shn_status typed(const mfer_raw *raw, int type, const char *what, double *out, shn_error *err)
{
    const size_t size = mfer_type_size(type);
    if (raw->n != size)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "mfer.frame", "%s of %d bytes for samples of %zu", what, raw->n, size);
    const uint64_t u = mfer_uint(raw->bytes, raw->n, raw->big);
    if (type == MFER_F32) {
        const uint32_t bits = (uint32_t)u;
        float          v;
        memcpy(&v, &bits, sizeof v);
        *out = v;
    } else if (type == MFER_F64) memcpy(out, &u, sizeof u);
    else if (type == MFER_I16 || type == MFER_I32 || type == MFER_I8) *out = (double)mfer_int(raw->bytes, raw->n, raw->big);
    else *out = (double)u;
    return SHN_OK;
}

static double power(double value, int exponent)
{
    for (; exponent > 0; exponent--) value *= 10;
    double divisor = 1;
    for (; exponent < 0; exponent++) divisor *= 10;
    return value / divisor;                                 /* 5 * 10^-3 is 5 / 1000, the double nearest to it */
}

static shn_status set_rate(mfer_channel *ch, size_t number, shn_error *err)
{
    const mfer_scaled *s = &ch->a.interval;
    if (!has(&ch->a, MFER_IVL)) {
        ch->fs_hz = 1000;                                   /* the standard's default */
        return SHN_OK;
    }
    if (s->unit > 1)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "mfer.frame", "channel %zu is not sampled in time (IVL unit %d)", number, s->unit);
    ch->fs_hz = s->unit == 0 ? power((double)s->mantissa, s->exponent) : power(1, -s->exponent) / (double)s->mantissa;
    if (!(ch->fs_hz > 0 && ch->fs_hz <= 1e6))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "mfer.frame", "channel %zu: sampling frequency %g Hz, needs more than 0 and at most 1e6", number, ch->fs_hz);
    return SHN_OK;
}

static shn_status set_scale(mfer_channel *ch, size_t number, shn_error *err)
{
    const mfer_scaled *s = &ch->a.resolution;
    shn_status st = SHN_OK;
    ch->mv_per_adu = 1;
    ch->unit = SHN_UNIT_UNKNOWN;
    if (ch->a.type == MFER_STATUS16 || ch->a.lead == MFER_LDN_STATUS) ch->unit = SHN_UNIT_NOT_VOLTAGE;
    else if (has(&ch->a, MFER_SEN)) {
        ch->unit = s->unit == 0 ? SHN_UNIT_DECLARED : SHN_UNIT_NOT_VOLTAGE;
        ch->mv_per_adu = power((double)s->mantissa, s->exponent + (s->unit == 0 ? 3 : 0));
        if (!(ch->mv_per_adu > 1e-12 && ch->mv_per_adu < 1e12))
            st = shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "mfer.frame", "channel %zu: a resolution of %g mV", number, ch->mv_per_adu);
    }
    ch->offset = 0;
    if (st == SHN_OK && has(&ch->a, MFER_OFF)) st = typed(&ch->a.offset, ch->a.type, "an offset (OFF)", &ch->offset, err);
    if (st == SHN_OK && !isfinite(ch->offset)) st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "mfer.frame", "channel %zu: an offset that is no number", number);
    ch->has_null = has(&ch->a, MFER_NUL);
    if (st == SHN_OK && ch->has_null) st = typed(&ch->a.null, ch->a.type, "a null value (NUL)", &ch->null, err);
    return st;
}

/** The channels of a frame and the bytes of one sequence. */
static shn_status lay_out(const mfer_file *f, const mfer_item *item, mfer_channel *channels, size_t *sequence_bytes, shn_error *err)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < f->n_channels; i++) {
        mfer_channel *ch = &channels[i];
        *ch = (mfer_channel){ .a = effective(f, i) };
        if (ch->a.sequences != channels[0].a.sequences || has(&ch->a, MFER_SEQ) != has(&channels[0].a, MFER_SEQ))
            return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "mfer.frame", "byte %zu: channels with sequence counts of their own are not read", item->at);
        ch->size = mfer_type_size(ch->a.type);
        ch->at = (size_t)bytes;
        bytes += ch->a.block * ch->size;
        shn_status st = set_rate(ch, i + 1, err);
        if (st == SHN_OK) st = set_scale(ch, i + 1, err);
        if (st != SHN_OK) return st;
    }
    *sequence_bytes = (size_t)bytes;
    return SHN_OK;
}

/** The record runs at the fastest voltage's rate; channels of another rate or block are left to a note. */
static void choose_leads(mfer_file *f)
{
    size_t best = 0;
    for (size_t i = 1; i < f->n_layout; i++) {
        const mfer_channel *a = &f->channels[i], *b = &f->channels[best];
        const int voltage = a->unit != SHN_UNIT_NOT_VOLTAGE, had = b->unit != SHN_UNIT_NOT_VOLTAGE;
        if (voltage > had || (voltage == had && a->fs_hz > b->fs_hz)) best = i;
    }
    f->fs_hz = f->channels[best].fs_hz;
    f->block = f->channels[best].a.block;
    f->n_leads = 0;
    for (size_t i = 0; i < f->n_layout; i++) {
        mfer_channel *ch = &f->channels[i];
        ch->joins = fabs(ch->fs_hz - f->fs_hz) <= 1e-9 * f->fs_hz && ch->a.block == f->block;
        f->n_leads += (size_t)ch->joins;
    }
}

static int same_scaled(mfer_scaled a, mfer_scaled b) { return a.unit == b.unit && a.exponent == b.exponent && a.mantissa == b.mantissa; }
static int same_raw(mfer_raw a, mfer_raw b) { return a.n == b.n && a.big == b.big && memcmp(a.bytes, b.bytes, a.n) == 0; }

static int same_channel(const mfer_channel *a, const mfer_channel *b)
{
    const uint32_t what = (uint32_t)1 << MFER_IVL | (uint32_t)1 << MFER_SEN | (uint32_t)1 << MFER_OFF | (uint32_t)1 << MFER_NUL;
    return a->a.type == b->a.type && a->a.waveform == b->a.waveform && a->a.lead == b->a.lead && strcmp(a->a.lead_text, b->a.lead_text) == 0 &&
           (a->a.has & what) == (b->a.has & what) && (!has(&a->a, MFER_IVL) || same_scaled(a->a.interval, b->a.interval)) &&
           (!has(&a->a, MFER_SEN) || same_scaled(a->a.resolution, b->a.resolution)) && (!has(&a->a, MFER_OFF) || same_raw(a->a.offset, b->a.offset)) &&
           (!has(&a->a, MFER_NUL) || same_raw(a->a.null, b->a.null));
}

/** 1 if a frame goes on with the record. *block: the one of all channels where it differs from the first frame's, else 0. */
static int goes_on(const mfer_file *f, const mfer_channel *channels, uint64_t *block)
{
    int blocks_equal = 1, uniform = 1;
    if (f->n_channels != f->n_layout || f->big != f->layout_big) return 0;
    for (size_t i = 0; i < f->n_layout; i++) {
        if (!same_channel(&f->channels[i], &channels[i])) return 0;
        blocks_equal &= channels[i].a.block == f->channels[i].a.block;
        uniform &= channels[i].a.block == channels[0].a.block && f->channels[i].a.block == f->channels[0].a.block;
    }
    *block = blocks_equal ? 0 : channels[0].a.block;
    return blocks_equal || uniform;
}

/** Samples that the frame holds: whole sequences that are announced and there. */
static shn_status count_samples(mfer_file *f, const mfer_item *item, const mfer_channel *channels, size_t sequence_bytes, uint64_t block, uint64_t *n, shn_error *err)
{
    const uint64_t held = item->n / sequence_bytes;
    const uint64_t said = has(&channels[0].a, MFER_SEQ) ? channels[0].a.sequences : held;
    if (held == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "mfer.frame", "byte %zu: %zu bytes of samples, one sequence of all channels has %zu", item->at, item->n, sequence_bytes);
    f->n_unfinished += held < said;
    f->n_surplus += said <= held && item->n != said * sequence_bytes;
    *n = (held < said ? held : said) * block;
    return SHN_OK;
}

static shn_status add_frame(mfer_file *f, const mfer_item *item, uint64_t own_block, uint64_t n, shn_error *err)
{
    if (f->n_frames == MFER_FRAMES_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "mfer.frame", "byte %zu: more than %d frames", item->at, MFER_FRAMES_MAX);
    if (shn_grow(&f->frames, &f->frames_capacity, f->n_frames + 1, sizeof *f->frames) != 0) return shn_fail_nomem(err, "mfer.frame");
    uint64_t gap = 0;
    if (f->n_frames == 0) f->first_position = f->position < 0 ? 0 : f->position;
    else if (f->position >= 0) {
        const int64_t expected = f->first_position + (int64_t)f->n_samples;     /* 2^31, and the file's bytes and gaps of 2^36 */
        if (f->position >= expected) gap = (uint64_t)(f->position - expected);
        else f->n_overlaps++;
    }
    if (gap > SHN_FILE_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "mfer.frame", "byte %zu: a gap of %" PRIu64 " samples before this frame (PNT)", item->at, gap);
    f->n_samples += gap;
    f->n_gap_samples += gap;
    f->frames[f->n_frames++] = (mfer_frame){ item->value, own_block, (size_t)n, f->n_samples };
    f->n_samples += n;
    return SHN_OK;
}

shn_status mfer_frame_add(mfer_file *f, const mfer_item *item, shn_error *err)
{
    size_t   sequence_bytes = 0;
    uint64_t own_block = 0, n = 0;
    f->n_waves++;
    mfer_channel *channels = shn_alloc(f->n_channels, sizeof *channels);
    if (!channels) return shn_fail_nomem(err, "mfer.frame");
    shn_status st = lay_out(f, item, channels, &sequence_bytes, err);
    if (st != SHN_OK) goto cleanup;
    if (channels[0].a.waveform == MFER_WFM_DOMINANT_BEAT) {
        f->n_beats++;
        goto cleanup;
    }
    if (f->channels && !goes_on(f, channels, &own_block)) {
        f->n_others++;
        goto cleanup;
    }
    if (!f->channels) {
        f->n_layout = f->n_channels;
        f->layout_big = f->big;
        f->sequence_bytes = sequence_bytes;
        f->waveform = channels[0].a.waveform;
        f->channels = channels;
        channels = NULL;
        choose_leads(f);
        st = count_samples(f, item, f->channels, sequence_bytes, f->block, &n, err);
    } else st = count_samples(f, item, channels, sequence_bytes, own_block ? own_block : f->block, &n, err);
    if (st == SHN_OK) st = add_frame(f, item, own_block, n, err);
cleanup:
    f->position = -1;                                       /* a position is of one frame */
    free(channels);
    return st;
}
