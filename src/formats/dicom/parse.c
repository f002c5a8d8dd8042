/**
 * Elements of a data set, one after another. Nothing is copied and no tree is made: a sequence is walked when it is asked for. Sequences of
 * undefined length are measured by walking what is in them, so a value's end is known before anybody looks at it.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "formats/dicom/dicom.h"

enum { PREAMBLE = 128, HEAD = 8 };

static uint16_t u16(const dcm_set *s, const uint8_t *p) { return s->big ? read_u16be(p) : read_u16le(p); }
static uint32_t u32(const dcm_set *s, const uint8_t *p) { return s->big ? read_u32be(p) : read_u32le(p); }

/** Second letters by the first one; upper case: the length takes four bytes behind two zeros. */
static const char *const vrs[26] = { ['A' - 'A'] = "est", ['C' - 'A'] = "s", ['D' - 'A'] = "ast", ['F' - 'A'] = "dl", ['I' - 'A'] = "s", ['L' - 'A'] = "ot", ['O' - 'A'] = "BDFLVW",
                                     ['P' - 'A'] = "n", ['S' - 'A'] = "hlstQV", ['T' - 'A'] = "m", ['U' - 'A'] = "ilsCNRTV" };

/** 0: no value representation; 2 or 4: bytes of its length. */
static int length_bytes(const uint8_t *p)
{
    if (p[0] < 'A' || p[0] > 'Z' || p[1] < 'A' || p[1] > 'Z' || !vrs[p[0] - 'A']) return 0;
    for (const char *k = vrs[p[0] - 'A']; *k; k++)
        if ((*k & ~0x20) == p[1]) return *k & 0x20 ? 2 : 4;
    return 0;
}

static int is_vr(const uint8_t *p) { return length_bytes(p) != 0; }

static shn_status fail_at(shn_error *err, shn_reason reason, const dcm_set *s, size_t at, uint32_t tag, const char *what)
{
    return shn_fail(err, SHN_FORMAT, reason, "dicom.element", "tag (%04X,%04X) at byte %zu: %s", (unsigned)(tag >> 16), (unsigned)(tag & 0xffff), s->origin + at, what);
}

static uint32_t tag_at(const dcm_set *s, size_t at) { return DCM_TAG(u16(s, s->bytes + at), u16(s, s->bytes + at + 2)); }

/** Tag, VR and length of what stands at `at`; *head is how many bytes they take. */
static shn_status read_head(const dcm_set *s, size_t at, dcm_element *e, uint32_t *length, size_t *head, shn_error *err)
{
    *e = (dcm_element){ .at = at };
    if (s->n - at < HEAD)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "dicom.element", "the file ends at byte %zu, within the head of an element; copy it again", s->origin + s->n);
    e->tag = tag_at(s, at);
    *head = HEAD;
    *length = u32(s, s->bytes + at + 4);
    if (s->implicit || e->tag >> 16 == 0xfffe) return SHN_OK;
    const int width = length_bytes(s->bytes + at + 4);
    if (!width) return fail_at(err, SHN_REASON_BAD_HEADER, s, at, e->tag, "no value representation where one must stand");
    memcpy(e->vr, s->bytes + at + 4, 2);
    *length = u16(s, s->bytes + at + 6);
    if (width == 2) return SHN_OK;
    *head = HEAD + 4;
    if (s->n - at < *head) return fail_at(err, SHN_REASON_TRUNCATED, s, at, e->tag, "the file ends in its length; copy it again");
    *length = u32(s, s->bytes + at + 8);
    return SHN_OK;
}

/** What is inside an element or item that begins at `at` of s; elements of an UN sequence are implicit little endian. */
static dcm_set inside(const dcm_set *s, const dcm_element *e, size_t at)
{
    dcm_set in = *s;
    in.bytes = s->bytes + at;
    in.n = s->n - at;
    in.origin = s->origin + at;
    in.depth = s->depth + 1;
    if (strcmp(e->vr, "UN") == 0) {
        in.implicit = 1;
        in.big = 0;
    }
    return in;
}

static shn_status measure_sequence(const dcm_set *s, size_t *n, size_t *with_end, shn_error *err);

/** Bytes of the elements of an item of undefined length, and with its delimiter. s begins with its first element. */
static shn_status measure_item(const dcm_set *s, size_t *n, size_t *with_end, shn_error *err)
{
    size_t at = 0;
    while (s->n - at >= HEAD) {
        dcm_element e;
        if (tag_at(s, at) == (uint32_t)DCM_ITEM_END) {
            *n = at;
            *with_end = at + HEAD;
            return SHN_OK;
        }
        const shn_status st = dcm_next(s, &at, &e, err);
        if (st != SHN_OK) return st;
    }
    return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "dicom.element", "the item at byte %zu has no end; copy the file again", s->origin);
}

static shn_status measure_sequence(const dcm_set *s, size_t *n, size_t *with_end, shn_error *err)
{
    size_t at = 0;
    if (s->depth > DCM_DEPTH_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "dicom.element", "byte %zu: sequences nested deeper than %d", s->origin, DCM_DEPTH_MAX);
    while (s->n - at >= HEAD) {
        const uint32_t tag = tag_at(s, at), length = u32(s, s->bytes + at + 4);
        if (tag == (uint32_t)DCM_SEQUENCE_END) {
            *n = at;
            *with_end = at + HEAD;
            return SHN_OK;
        }
        if (tag != (uint32_t)DCM_ITEM) return fail_at(err, SHN_REASON_BAD_HEADER, s, at, tag, "stands where an item of a sequence must");
        at += HEAD;
        if (length != DCM_UNDEFINED) {
            if (length > s->n - at) return fail_at(err, SHN_REASON_TRUNCATED, s, at - HEAD, tag, "an item that is longer than the file; copy it again");
            at += length;
            continue;
        }
        dcm_set item = *s;
        item.bytes += at;
        item.n -= at;
        item.origin += at;
        size_t elements = 0, whole = 0;
        const shn_status st = measure_item(&item, &elements, &whole, err);
        if (st != SHN_OK) return st;
        at += whole;
    }
    return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "dicom.element", "the sequence at byte %zu has no end; copy the file again", s->origin);
}

shn_status dcm_next(const dcm_set *s, size_t *at, dcm_element *e, shn_error *err)
{
    uint32_t   length;
    size_t     head;
    shn_status st = read_head(s, *at, e, &length, &head, err);
    if (st != SHN_OK) return st;
    const size_t value = *at + head;
    e->value = s->bytes + value;
    if (length != DCM_UNDEFINED) {
        if (length > s->n - value) {
            char what[96];
            snprintf(what, sizeof what, "%u bytes long, %zu are left; copy the file again", (unsigned)length, s->n - value);
            return fail_at(err, SHN_REASON_TRUNCATED, s, *at, e->tag, what);
        }
        e->n = length;
        *at = value + length;
        return SHN_OK;
    }
    if (e->tag >> 16 == 0xfffe || (*e->vr && strcmp(e->vr, "SQ") != 0 && strcmp(e->vr, "UN") != 0))
        return fail_at(err, SHN_REASON_BAD_HEADER, s, *at, e->tag, "undefined length, and no sequence");
    size_t        whole = 0;
    const dcm_set in = inside(s, e, value);
    st = measure_sequence(&in, &e->n, &whole, err);
    if (st != SHN_OK) return st;
    e->undefined = 1;
    *at = value + whole;
    return SHN_OK;
}

shn_status dcm_item(const dcm_set *s, const dcm_element *e, size_t *at, dcm_set *item, shn_error *err)
{
    *item = (dcm_set){ 0 };
    if (!e->value || (*e->vr && strcmp(e->vr, "SQ") != 0 && strcmp(e->vr, "UN") != 0)) return SHN_OK;
    dcm_set in = inside(s, e, (size_t)(e->value - s->bytes));
    in.n = e->n;
    if (*at >= in.n) return SHN_OK;
    if (in.depth > DCM_DEPTH_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "dicom.element", "byte %zu: sequences nested deeper than %d", in.origin, DCM_DEPTH_MAX);
    if (in.n - *at < HEAD) return fail_at(err, SHN_REASON_TRUNCATED, s, e->at, e->tag, "ends within an item");
    const uint32_t tag = tag_at(&in, *at), length = u32(&in, in.bytes + *at + 4);
    if (tag == (uint32_t)DCM_SEQUENCE_END) return SHN_OK;      /* some writers end a sequence of defined length, too */
    if (tag != (uint32_t)DCM_ITEM) return fail_at(err, SHN_REASON_BAD_HEADER, &in, *at, tag, "stands where an item of a sequence must");
    *at += HEAD;
    *item = in;
    item->bytes += *at;
    item->n -= *at;
    item->origin += *at;
    size_t whole = length;
    shn_status st = SHN_OK;
    if (length == DCM_UNDEFINED) {
        size_t elements = 0;
        st = measure_item(item, &elements, &whole, err);
        item->n = elements;
    } else if (length > item->n) st = fail_at(err, SHN_REASON_TRUNCATED, &in, *at - HEAD, tag, "an item that is longer than its sequence");
    else item->n = length;
    if (st != SHN_OK) *item = (dcm_set){ 0 };
    else *at += whole;
    return st;
}

shn_status dcm_find(const dcm_set *s, uint32_t tag, dcm_element *out, shn_error *err)
{
    size_t at = 0;
    while (at < s->n) {
        const shn_status st = dcm_next(s, &at, out, err);
        if (st != SHN_OK) return st;
        if (out->tag == tag) return SHN_OK;
    }
    *out = (dcm_element){ .tag = tag };
    return SHN_OK;
}

shn_status dcm_first_item(const dcm_set *s, uint32_t tag, dcm_set *item, shn_error *err)
{
    dcm_element e;
    size_t      at = 0;
    *item = (dcm_set){ 0 };
    const shn_status st = dcm_find(s, tag, &e, err);
    return st == SHN_OK ? dcm_item(s, &e, &at, item, err) : st;
}

size_t dcm_ascii(const dcm_element *e, char *out, size_t size)
{
    size_t n = 0, from = 0, to = e->n;
    while (from < to && (e->value[from] == ' ' || e->value[from] == 0)) from++;
    while (to > from && (e->value[to - 1] == ' ' || e->value[to - 1] == 0)) to--;
    for (; from < to && n + 1 < size && e->value[from]; from++) out[n++] = (char)e->value[from];
    out[n] = '\0';
    return n;
}

double dcm_decimal(const dcm_element *e)
{
    char   text[48], *end;
    if (!e->value || dcm_ascii(e, text, sizeof text) == 0) return NAN;
    char *several = strchr(text, '\\');
    if (several) *several = '\0';
    for (char *p = text; *p; p++)
        if (!strchr("0123456789+-.eE", *p)) {
            if (*p != ' ') return NAN;
            *p = '\0';
            break;
        }
    const double x = strtod(text, &end);
    return end == text || *end || !isfinite(x) ? NAN : x;
}

double dcm_whole(const dcm_set *s, const dcm_element *e)
{
    if (!e->value) return NAN;
    if (strcmp(e->vr, "IS") == 0 || strcmp(e->vr, "DS") == 0) return dcm_decimal(e);
    if (e->n == 2) return u16(s, e->value);
    if (e->n == 4) return u32(s, e->value);
    return NAN;
}

/** 1 if a data set in this coding can begin here: three elements, or as many as there are, in rising order of tags. */
static int begins_as(const uint8_t *bytes, size_t n, int implicit, int big)
{
    const dcm_set s = { bytes, n, 0, implicit, big, 0 };
    size_t        at = 0;
    uint32_t      last = 0;
    for (int i = 0; i < 3 && at < n; i++) {
        dcm_element e;
        uint32_t    length;
        size_t      head;
        if (read_head(&s, at, &e, &length, &head, NULL) != SHN_OK || e.tag <= last) return i > 1;
        if (i == 0 && (e.tag >> 16 > 0x0010 || e.tag >> 16 < 0x0002 || (e.tag & 0xffff) > 0x2fff)) return 0;
        if (length == DCM_UNDEFINED) return i > 0;
        if (length > n - at - head) return i > 1;
        last = e.tag;
        at += head + length;
    }
    return 1;
}

int dcm_recognises(const uint8_t *bytes, size_t n)
{
    if (n >= PREAMBLE + 4 && memcmp(bytes + PREAMBLE, "DICM", 4) == 0) return 1;
    if (n < 3 * HEAD) return 0;
    const uint16_t group = read_u16le(bytes);
    if ((group == 2 || group == 8) && is_vr(bytes + 4)) return begins_as(bytes, n, 0, 0);
    if (group == 8) return begins_as(bytes, n, 1, 0);
    return read_u16be(bytes) == 8 && is_vr(bytes + 4) && begins_as(bytes, n, 0, 1);
}

/** The meta elements; s->n becomes their length. */
static shn_status take_meta(dcm_file *f, shn_error *err)
{
    dcm_set *s = &f->meta;
    size_t   at = 0;
    while (s->n - at >= HEAD && read_u16le(s->bytes + at) == 2) {
        dcm_element      e;
        const shn_status st = dcm_next(s, &at, &e, err);
        if (st != SHN_OK) return st;
        if (e.tag == (uint32_t)DCM_TRANSFER_SYNTAX) dcm_ascii(&e, f->syntax, sizeof f->syntax);
    }
    s->n = at;
    return SHN_OK;
}

/** How the data set is coded: as the syntax says, unless its first element shows otherwise. */
static shn_status take_syntax(dcm_file *f, shn_error *err)
{
    dcm_set *s = &f->data;
    if (strcmp(f->syntax, "1.2.840.10008.1.2.1.99") == 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "dicom.syntax", "the data set is deflated (1.2.840.10008.1.2.1.99); store it again uncompressed (dcmconv +te)");
    s->implicit = strcmp(f->syntax, "1.2.840.10008.1.2") == 0;
    s->big = strcmp(f->syntax, "1.2.840.10008.1.2.2") == 0;
    /* syntaxes that compress images are explicit little endian outside the pixels (PS3.5 A.4) */
    if (*f->syntax && !s->implicit && !s->big && strncmp(f->syntax, "1.2.840.10008.1.2.", 18) != 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "dicom.syntax", "transfer syntax %s is not known; store it again as explicit VR little endian", f->syntax);
    if (s->n < HEAD) return SHN_OK;
    const int explicit_now = is_vr(s->bytes + 4);
    if (!*f->syntax) {
        s->implicit = !explicit_now;
        s->big = explicit_now && read_u16le(s->bytes) > 0xff && read_u16be(s->bytes) <= 0xff;
    } else if (explicit_now == s->implicit && begins_as(s->bytes, s->n, !explicit_now, s->big)) {
        s->implicit = !explicit_now;
        f->contradicts = 1;
    }
    return SHN_OK;
}

shn_status dcm_open(const uint8_t *bytes, size_t n, dcm_file *f, shn_error *err)
{
    memset(f, 0, sizeof *f);
    f->preamble = n >= PREAMBLE + 4 && memcmp(bytes + PREAMBLE, "DICM", 4) == 0;
    const size_t start = f->preamble ? PREAMBLE + 4 : 0;
    if (n - start < HEAD) return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "dicom.file", "%zu bytes: no data set", n);
    f->meta = (dcm_set){ bytes + start, n - start, start, 0, 0, 0 };
    shn_status st = take_meta(f, err);
    if (st != SHN_OK) return st;
    f->data = (dcm_set){ f->meta.bytes + f->meta.n, n - start - f->meta.n, start + f->meta.n, 0, 0, 0 };
    st = take_syntax(f, err);
    if (st == SHN_OK && f->data.n == 0) st = shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "dicom.file", "the file ends after its meta elements; copy it again");
    return st;
}
