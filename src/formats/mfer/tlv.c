/** Tag, length, value: one definition at a time, with every length held against what is there. */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "formats/mfer/mfer.h"

static size_t place(const mfer_cursor *c, const uint8_t *p) { return (size_t)(p - c->file); }

static shn_status cut_off(const mfer_cursor *c, const uint8_t *at, const char *what, shn_error *err)
{
    if (c->depth) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "mfer.tlv", "byte %zu: a group ends inside %s", place(c, at), what);
    return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "mfer.tlv", "byte %zu: the file ends inside %s; copy it again", place(c, at), what);
}

/** Tag and, where its low five bits are all 1, the number that follows in groups of seven bits. */
static shn_status read_tag(const mfer_cursor *c, const uint8_t **p, mfer_item *item, shn_error *err)
{
    item->tag = *(*p)++;
    item->channel = 0;
    if ((item->tag & 0x1f) != 0x1f) return SHN_OK;
    for (int groups = 0;; groups++) {
        if (*p == c->end) return cut_off(c, *p, "a channel number", err);
        if (groups == 4) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "mfer.tlv", "byte %zu: a channel number of more than 4 bytes", item->at);
        const uint8_t byte = *(*p)++;
        item->channel = item->channel << 7 | (byte & 0x7f);
        if (!(byte & 0x80)) return SHN_OK;
    }
}

/** *n is UINT64_MAX for an indefinite length. */
static shn_status read_length(const mfer_cursor *c, const uint8_t **p, const mfer_item *item, uint64_t *n, shn_error *err)
{
    if (*p == c->end) return cut_off(c, *p, "a length", err);
    const uint8_t first = *(*p)++;
    *n = first;
    if (first < 0x80) return SHN_OK;
    *n = UINT64_MAX;
    if (first == 0x80) return SHN_OK;
    const size_t size = first & 0x7f;
    if (size > 4)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "mfer.tlv", "byte %zu: tag %02X has a length of %zu bytes, MFER allows 4", item->at, (unsigned)item->tag, size);
    if ((size_t)(c->end - *p) < size) return cut_off(c, *p, "a length", err);
    *n = 0;
    for (size_t i = 0; i < size; i++) *n = *n << 8 | *(*p)++;
    return SHN_OK;
}

static int holds_text(int tag)
{
    return tag == MFER_PRE || tag == MFER_NTE || tag == MFER_MAN || tag == MFER_FLT || tag == MFER_PNM || tag == MFER_PID || tag == MFER_MSS || tag == MFER_TXC;
}

/** Where the content of an indefinite group ends: at 00 00 outside the definitions in it. */
static shn_status group_end(const mfer_cursor *c, const uint8_t *from, const mfer_item *group, int depth, const uint8_t **end, shn_error *err)
{
    const uint8_t *p = from;
    if (depth > MFER_DEPTH_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "mfer.tlv", "byte %zu: groups inside one another deeper than %d", group->at, MFER_DEPTH_MAX);
    while (p < c->end) {
        if (*p == 0) {
            if (p + 1 < c->end && p[1] == 0) {
                *end = p;
                return SHN_OK;
            }
            p++;
            continue;
        }
        mfer_item inner = { .at = place(c, p) };
        uint64_t  n;
        shn_status st = read_tag(c, &p, &inner, err);
        if (st == SHN_OK) st = read_length(c, &p, &inner, &n, err);
        if (st != SHN_OK) return st;
        if (n == UINT64_MAX) {
            if (inner.tag != MFER_ATT && inner.tag != MFER_SET)
                return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "mfer.tlv", "byte %zu: tag %02X of indefinite length inside a group", inner.at, (unsigned)inner.tag);
            st = group_end(c, p, &inner, depth + 1, &p, err);
            if (st != SHN_OK) return st;
            p += 2;
        } else {
            if (n > (uint64_t)(c->end - p)) return cut_off(c, p, "a definition", err);
            p += n;
        }
    }
    return cut_off(c, from, "a group of indefinite length, which has no end mark", err);
}

/** A text of indefinite length ends at the first 00 00: no text has it inside. */
static shn_status text_end(const mfer_cursor *c, const uint8_t *from, const uint8_t **end, shn_error *err)
{
    for (const uint8_t *p = from; p + 1 < c->end; p++)
        if (p[0] == 0 && p[1] == 0) {
            *end = p;
            return SHN_OK;
        }
    return cut_off(c, from, "a text of indefinite length, which has no end mark", err);
}

static shn_status indefinite(const mfer_cursor *c, const uint8_t *from, mfer_item *item, uint64_t wave_bytes, shn_error *err)
{
    const uint8_t *end = NULL;
    shn_status st;
    if (item->tag == MFER_ATT || item->tag == MFER_SET) st = group_end(c, from, item, c->depth, &end, err);
    else if (holds_text(item->tag)) st = text_end(c, from, &end, err);
    else if (item->tag == MFER_WAV && wave_bytes) {             /* samples may hold 00 00 themselves: the frame says where they end */
        if (wave_bytes > (uint64_t)(c->end - from)) return cut_off(c, from, "the samples", err);
        end = from + wave_bytes;
        if (c->end - end < 2) return cut_off(c, end, "the end mark of the samples", err);
        if (end[0] || end[1])
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "mfer.tlv", "byte %zu: samples of indefinite length do not end where block, channels and sequences say", item->at);
        st = SHN_OK;
    } else
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "mfer.tlv", "byte %zu: tag %02X of indefinite length, whose end cannot be told (give SEQ)", item->at, (unsigned)item->tag);
    if (st != SHN_OK) return st;
    item->value = from;
    item->n = (size_t)(end - from);
    item->next = end + 2;
    return SHN_OK;
}

shn_status mfer_next(mfer_cursor *c, uint64_t wave_bytes, mfer_item *item, shn_error *err)
{
    uint64_t n;
    while (c->at < c->end && *c->at == MFER_ZRO) c->at++;
    *item = (mfer_item){ .tag = MFER_END, .at = place(c, c->at), .next = c->end };
    if (c->at == c->end) return SHN_OK;
    const uint8_t *p = c->at;
    shn_status st = read_tag(c, &p, item, err);
    if (st != SHN_OK) return st;
    if (item->tag == MFER_END && (p == c->end || *p == 0)) {
        item->next = c->at = p == c->end ? p : p + 1;
        return SHN_OK;
    }
    st = read_length(c, &p, item, &n, err);
    if (st != SHN_OK) return st;
    if (n == UINT64_MAX) st = indefinite(c, p, item, wave_bytes, err);
    else if (n > (uint64_t)(c->end - p))
        st = c->depth ? cut_off(c, p, "a definition", err)
                      : shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "mfer.tlv", "byte %zu: tag %02X announces %" PRIu64 " bytes, %zu are left; the file is cut off: copy it again",
                                 item->at, (unsigned)item->tag, n, (size_t)(c->end - p));
    else {
        item->value = p;
        item->n = (size_t)n;
        item->next = p + n;
    }
    if (st == SHN_OK) c->at = item->next;
    return st;
}
