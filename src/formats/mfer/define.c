/** The walk over a file's definitions: what holds for all channels, for one, and for the recording. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "formats/mfer/mfer.h"

uint64_t mfer_uint(const uint8_t *p, size_t n, int big)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v = v << 8 | p[big ? i : n - 1 - i];
    return v;
}

int64_t mfer_int(const uint8_t *p, size_t n, int big)
{
    const uint64_t v = mfer_uint(p, n, big);
    if (n == 0 || n >= 8) return (int64_t)v;
    const uint64_t sign = (uint64_t)1 << (8 * n - 1);
    return (int64_t)(v ^ sign) - (int64_t)sign;
}

static shn_status bad_length(const mfer_item *item, const char *needs, shn_error *err)
{
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "mfer.define", "byte %zu: tag %02X has %zu bytes, needs %s", item->at, (unsigned)item->tag, item->n, needs);
}

static shn_status set_scaled(mfer_scaled *s, const mfer_item *item, int big, shn_error *err)
{
    if (item->n < 3 || item->n > 6) return bad_length(item, "a unit, an exponent and 1 to 4 bytes", err);
    *s = (mfer_scaled){ 1, item->value[0], (int8_t)item->value[1], mfer_int(item->value + 2, item->n - 2, big) };
    if (s->mantissa <= 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "mfer.define", "byte %zu: tag %02X is %lld, needs more than 0", item->at, (unsigned)item->tag, (long long)s->mantissa);
    return SHN_OK;
}

static shn_status set_count(uint64_t *count, const mfer_item *item, int big, shn_error *err)
{
    if (item->n > 4) return bad_length(item, "1 to 4", err);
    *count = mfer_uint(item->value, item->n, big);
    if (*count == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "mfer.define", "byte %zu: tag %02X is 0", item->at, (unsigned)item->tag);
    return SHN_OK;
}

static shn_status set_lead(mfer_attributes *a, const mfer_item *item, int big, const char *charset)
{
    const size_t code_bytes = item->n == 1 ? 1 : 2;         /* one byte, or two with a text that may be empty */
    a->lead = (int)mfer_uint(item->value, code_bytes, big);
    *a->lead_text = '\0';
    if (item->n > 2) mfer_text(item->value + 2, item->n - 2, charset, a->lead_text, sizeof a->lead_text);
    return SHN_OK;
}

/** One attribute of sampling or frame; an empty value puts the default back. */
static shn_status set_attribute(mfer_attributes *a, const mfer_item *item, int big, const char *charset, shn_error *err)
{
    const uint32_t bit = (uint32_t)1 << item->tag;
    a->has &= ~bit;
    if (item->n == 0) return SHN_OK;
    a->has |= bit;
    switch (item->tag) {
    case MFER_BLK: return set_count(&a->block, item, big, err);
    case MFER_SEQ: return set_count(&a->sequences, item, big, err);
    case MFER_WFM:
        a->waveform = item->n == 1 ? item->value[0] : (int)mfer_uint(item->value, 2, big);      /* a text may follow two bytes */
        return SHN_OK;
    case MFER_LDN: return set_lead(a, item, big, charset);
    case MFER_DTP:
        a->type = item->value[0];
        if (item->n != 1) return bad_length(item, "1", err);
        if (a->type == MFER_AHA8)
            return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "mfer.define", "byte %zu: samples in the 8-bit AHA difference code (data type 9) are not read", item->at);
        if (a->type > MFER_AHA8)
            return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "mfer.define", "byte %zu: data type %d is not known", item->at, a->type);
        return SHN_OK;
    case MFER_IVL: return set_scaled(&a->interval, item, big, err);
    case MFER_SEN: return set_scaled(&a->resolution, item, big, err);
    default: {                                              /* OFF, NUL: in the channel's data type, which may come later */
        mfer_raw *raw = item->tag == MFER_OFF ? &a->offset : &a->null;
        if (item->n > sizeof raw->bytes) return bad_length(item, "at most 8", err);
        *raw = (mfer_raw){ .n = (uint8_t)item->n, .big = (uint8_t)big };
        memcpy(raw->bytes, item->value, item->n);
        return SHN_OK;
    }
    }
}

static shn_status set_channels(mfer_file *f, const mfer_item *item, shn_error *err)
{
    uint64_t n = 1;
    if (item->n) {
        const shn_status st = set_count(&n, item, f->big, err);
        if (st != SHN_OK) return st;
    }
    if (n > SHN_LEADS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "mfer.define", "byte %zu: %llu channels, at most %d", item->at, (unsigned long long)n, SHN_LEADS_MAX);
    f->n_channels = (size_t)n;
    memset(f->own, 0, f->n_own * sizeof *f->own);           /* what was said of single channels ends here */
    f->n_own = 0;
    return SHN_OK;
}

static shn_status set_order(mfer_file *f, const mfer_item *item, shn_error *err)
{
    if (item->n > 1 || (item->n && item->value[0] > 1))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "mfer.define", "byte %zu: byte order is neither 0 (big) nor 1 (little)", item->at);
    f->big = item->n == 0 || item->value[0] == 0;
    return SHN_OK;
}

/** The name of a compressed content, which is not read. */
static shn_status check_compression(const mfer_file *f, const mfer_item *item, shn_error *err)
{
    const unsigned code = (unsigned)mfer_uint(item->value, item->n < 2 ? item->n : 2, f->big);
    if (code == 0) return SHN_OK;
    return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "mfer.define", "byte %zu: compressed content (0E, code %u) is not read; export it uncompressed", item->at, code);
}

static shn_status add_remark(mfer_file *f, const mfer_item *item, shn_error *err)
{
    if (f->n_remarks == MFER_REMARKS_MAX) {
        f->n_lost++;
        return SHN_OK;
    }
    if (shn_grow(&f->remarks, &f->remarks_capacity, f->n_remarks + 1, sizeof *f->remarks) != 0) return shn_fail_nomem(err, "mfer.define");
    mfer_remark *r = &f->remarks[f->n_remarks++];
    *r = (mfer_remark){ .text = item->value, .n = item->n, .charset = f->charset, .tag = item->tag, .code = -1, .start = -1, .duration = -1 };
    if (item->tag == MFER_NTE) return SHN_OK;
    static const size_t fields[2][2] = { { 2, 4 }, { 6, 4 } };          /* start and duration of an event; a value has no duration */
    if (item->n >= 2) r->code = (int)mfer_uint(item->value, 2, f->big);
    if (item->n >= 6) r->start = mfer_int(item->value + fields[0][0], 4, f->big);
    if (item->tag == MFER_EVT && item->n >= 10) r->duration = mfer_int(item->value + fields[1][0], 4, f->big);
    const size_t head = item->tag == MFER_EVT ? 10 : 6, skip = item->n < head ? item->n : head;
    r->text += skip;
    r->n -= skip;
    return SHN_OK;
}

/** "HPF=0.05^2nd order" gives "HPF=0.05"; several are joined. An empty one ends what was said. */
static void add_filter(mfer_file *f, const mfer_item *item)
{
    char text[64];
    mfer_text(item->value, item->n, f->charset, text, sizeof text);
    text[strcspn(text, "^")] = '\0';
    const size_t had = strlen(f->filters), n = strlen(text);
    if (n == 0) *f->filters = '\0';
    else if (had + n + 3 < sizeof f->filters) {
        if (had) memcpy(f->filters + had, ", ", 3);
        strcat(f->filters, text);
    }
}

static void keep(const mfer_file *f, mfer_field *field, const mfer_item *item) { *field = (mfer_field){ item->value, item->n, f->charset, f->big }; }

static void keep_patient(mfer_file *f, const mfer_item *item)
{
    if (item->n && (f->n_patients == 0 || item->n != f->patient.n || memcmp(item->value, f->patient.bytes, item->n) != 0)) f->n_patients++;
    if (item->n) keep(f, &f->patient, item);
}

/** A definition about the recording, or one of the walk itself. */
static shn_status define(mfer_file *f, const mfer_item *item, int channel, shn_error *err)
{
    mfer_attributes *a = channel < 0 ? &f->common : &f->own[channel];
    switch (item->tag) {
    case MFER_BLE: return set_order(f, item, err);
    case MFER_TXC: f->charset = mfer_charset(item->value, item->n); break;
    case MFER_CHN: return channel < 0 ? set_channels(f, item, err) : bad_length(item, "to stand outside a channel", err);
    case MFER_BLK: case MFER_SEQ: case MFER_WFM: case MFER_LDN: case MFER_DTP: case MFER_IVL: case MFER_SEN: case MFER_OFF: case MFER_NUL:
        return set_attribute(a, item, f->big, f->charset, err);
    case MFER_PNT:
        if (item->n > 4) return bad_length(item, "at most 4", err);
        f->position = item->n ? mfer_int(item->value, item->n, f->big) : -1;
        break;
    case MFER_CMP: return check_compression(f, item, err);
    case MFER_FLT:
        if (channel < 0) add_filter(f, item);
        break;
    case MFER_NTE: case MFER_EVT: case MFER_VAL: return add_remark(f, item, err);
    case MFER_PRE: keep(f, &f->preamble, item); break;
    case MFER_MAN: keep(f, &f->maker, item); break;
    case MFER_PID: keep_patient(f, item); break;
    case MFER_AGE: keep(f, &f->age, item); break;
    case MFER_SEX: keep(f, &f->sex, item); break;
    case MFER_TIM:
        if (f->time.n < 4) keep(f, &f->time, item);         /* of several, the first is the beginning */
        break;
    case MFER_WAV: return mfer_frame_add(f, item, err);
    default: break;                                         /* known ones that say nothing of samples, and unknown ones: passed over by their length */
    }
    return SHN_OK;
}

static shn_status walk(mfer_file *f, mfer_cursor *c, int channel, shn_error *err)
{
    for (;;) {
        mfer_item  item;
        while (c->at < c->end && *c->at == MFER_ZRO) c->at++;
        const int open_end = c->end - c->at >= 2 && c->at[0] == MFER_WAV && c->at[1] == 0x80;
        shn_status st = mfer_next(c, open_end ? mfer_frame_bytes(f) : 0, &item, err);
        if (st != SHN_OK || item.tag == MFER_END) return st;
        if (item.tag == MFER_ATT || item.tag == MFER_SET) {
            mfer_cursor inner = { c->file, item.value, item.value + item.n, c->depth + 1 };
            int own = channel;
            if (inner.depth > MFER_DEPTH_MAX)
                return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "mfer.tlv", "byte %zu: groups inside one another deeper than %d", item.at, MFER_DEPTH_MAX);
            if (item.tag == MFER_ATT) {
                if (channel >= 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "mfer.tlv", "byte %zu: a channel inside a channel", item.at);
                if (item.channel >= f->n_channels) {
                    f->n_other_channels++;
                    continue;
                }
                own = (int)item.channel;
                if (item.channel >= f->n_own) f->n_own = item.channel + 1;
            }
            const mfer_visitor *v = f->visitor;
            if (v) st = v->enter(v->context, &item, err);
            if (st == SHN_OK) st = walk(f, &inner, own, err);
            if (v && st == SHN_OK) st = v->leave(v->context, &item, err);
        } else {
            st = define(f, &item, channel, err);
            if (f->visitor && st == SHN_OK) st = f->visitor->item(f->visitor->context, f, &item, err);
        }
        if (st != SHN_OK) return st;
    }
}

shn_status mfer_file_parse(const uint8_t *bytes, size_t n_bytes, const mfer_visitor *visitor, mfer_file *f, shn_error *err)
{
    mfer_cursor c = { bytes, bytes, bytes + n_bytes, 0 };
    memset(f, 0, sizeof *f);
    f->big = 1;
    f->charset = "";
    f->n_channels = 1;
    f->position = -1;
    f->visitor = visitor;
    shn_status st = walk(f, &c, -1, err);
    if (st != SHN_OK) return st;
    f->end = (size_t)(c.at - bytes);
    if (f->n_frames == 0)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, "mfer", "no waveform: %zu WAV definitions, %zu of them dominant beats", f->n_waves, f->n_beats);
    if (f->n_gap_samples > f->n_samples - f->n_gap_samples)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "mfer.frame", "positions (PNT) leave gaps of %zu samples between frames that hold %zu", f->n_gap_samples,
                        f->n_samples - f->n_gap_samples);
    return SHN_OK;
}

void mfer_file_free(mfer_file *f)
{
    free(f->channels);
    free(f->frames);
    free(f->remarks);
    f->channels = NULL;
    f->frames = NULL;
    f->remarks = NULL;
}
