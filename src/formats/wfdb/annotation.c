/** Annotation files of the MIT format: a run of 16-bit words, parsed once into a list by time. */
#include "formats/wfdb/annotation.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"

enum { SKIP = 59, NUM = 60, SUB = 61, CHN = 62, AUX = 63 };
#define TIME_MAX ((int64_t)1 << 52)             /* times stay whole numbers in a double */

typedef struct parser {
    const uint8_t   *bytes;
    size_t           n, at;
    int64_t          time;
    uint8_t          channel;
    int8_t           num;
    int              in_head;           /* notes about the file may still come */
    int              in_definitions;
    shn_annotations *set;
} parser;

static shn_status cut_off(const parser *p, shn_error *err)
{
    return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "wfdb.annotation", "byte %zu: the file ends without its end mark; copy it again", p->at);
}

/**
 * AHA format: records of 16 bytes: a 0, a letter of the beat's kind, time in ms (4), serial number (2), then free bytes. A MIT file never looks so
 * throughout.
 */
static int is_aha(const uint8_t *b, size_t n)
{
    if (n < 16 || n % 16) return 0;
    for (size_t i = 0; i < n && i < 16 * 64; i += 16)
        if (b[i] != 0 || b[i + 1] == 0 || !memchr("NVFEPQORU[]", b[i + 1], 11)) return 0;
    return 1;
}

/** "## time resolution: 360", "## annotation type definitions", "42 X a name", "## end of definitions". 1: the note was about the file. */
static int take_head(parser *p, const char *text)
{
    unsigned code;
    int      n = 0;
    char     symbol[16];
    double   rate;
    if (p->in_definitions && sscanf(text, "%2u %15s %n", &code, symbol, &n) == 2 && code > 0 && code < SHN_ANNOTATION_CODES) {
        strcpy(p->set->own[code].symbol, symbol);
        snprintf(p->set->own[code].text, sizeof p->set->own[code].text, "%.79s", n ? text + n : "");
        return 1;
    }
    if (strncmp(text, "## ", 3) != 0) return 0;
    if (sscanf(text, "## time resolution: %lf", &rate) == 1 && rate > 0 && rate <= 1e9) p->set->rate_hz = rate;
    else if (strcmp(text, "## annotation type definitions") == 0) p->in_definitions = 1;
    else if (strcmp(text, "## end of definitions") == 0) p->in_definitions = 0;
    return 1;
}

/** The text of n bytes at p->at, kept to its first NUL; "" shares one place. */
static const char *keep_text(parser *p, size_t n)
{
    const uint8_t *from = p->bytes + p->at;
    const uint8_t *nul = memchr(from, 0, n);
    const size_t   length = nul ? (size_t)(nul - from) : n;
    char          *to = p->set->texts + p->set->n_texts;
    memcpy(to, from, length);           /* every text takes two bytes more in the file than its letters: the block is large enough */
    to[length] = '\0';
    p->set->n_texts += length + 1;
    return to;
}

/** What follows an annotation and is about it. */
static shn_status take_fields(parser *p, shn_annotation *a, shn_error *err)
{
    for (;;) {
        if (p->n - p->at < 2) return cut_off(p, err);
        const uint8_t  low = p->bytes[p->at];
        const unsigned code = p->bytes[p->at + 1] >> 2;
        if (code < NUM) return SHN_OK;
        p->at += 2;
        if (code == NUM) a->num = p->num = (int8_t)low;
        else if (code == SUB) a->subtype = (int8_t)low;
        else if (code == CHN) a->channel = p->channel = low;
        else {
            const size_t padded = (size_t)low + low % 2;
            if (p->n - p->at < padded) return cut_off(p, err);
            a->aux = keep_text(p, low);
            p->at += padded;
        }
    }
}

static shn_status add(parser *p, const shn_annotation *a, shn_error *err)
{
    shn_annotations *s = p->set;
    if (p->in_head && a->sample == 0 && a->code == SHN_ANN_NOTE && take_head(p, a->aux)) return SHN_OK;
    p->in_head = p->in_definitions = 0;
    if (shn_grow(&s->items, &s->capacity, s->n + 1, sizeof *s->items) != 0) return shn_fail_nomem(err, "wfdb.annotation");
    s->items[s->n++] = *a;
    return SHN_OK;
}

static shn_status bad_word(const parser *p, shn_error *err, const char *what)
{
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "wfdb.annotation", "byte %zu: %s; is it an annotation file?", p->at, what);
}

static shn_status parse(parser *p, shn_error *err)
{
    for (;;) {
        if (p->n - p->at < 2) return cut_off(p, err);
        const uint16_t word = read_u16le(p->bytes + p->at);
        const unsigned code = word >> 10;
        if (word == 0) return SHN_OK;
        if (code == SKIP) {
            if (p->n - p->at < 6) return cut_off(p, err);
            p->time += (int32_t)((uint32_t)read_u16le(p->bytes + p->at + 2) << 16 | read_u16le(p->bytes + p->at + 4));
            p->at += 6;
        } else {
            if (code >= SHN_ANNOTATION_CODES) return bad_word(p, err, "a code that is none, or a field before any annotation");
            p->at += 2;
            p->time += word & 1023;
            shn_annotation a = { .sample = p->time, .code = (uint8_t)code, .channel = p->channel, .num = p->num, .aux = p->set->texts };
            shn_status     st = take_fields(p, &a, err);
            if (st == SHN_OK && code) st = add(p, &a, err);
            if (st != SHN_OK) return st;
        }
        if (p->time > TIME_MAX || p->time < -TIME_MAX) return bad_word(p, err, "a time out of range");
    }
}

/** By time; those of one time keep their order. */
static shn_status sort(shn_annotations *s, shn_error *err)
{
    size_t i = 1;
    while (i < s->n && s->items[i - 1].sample <= s->items[i].sample) i++;
    if (i >= s->n) return SHN_OK;
    /* merge sort from below: stable, and half sorted is what files are */
    shn_annotation *from = s->items, *to = shn_alloc(s->capacity, sizeof *to);
    if (!to) return shn_fail_nomem(err, "wfdb.annotation");
    for (size_t width = 1; width < s->n; width *= 2) {
        for (size_t low = 0; low < s->n; low += 2 * width) {
            const size_t mid = low + width < s->n ? low + width : s->n, high = low + 2 * width < s->n ? low + 2 * width : s->n;
            for (size_t a = low, b = mid, k = low; k < high; k++)
                to[k] = a < mid && (b >= high || from[a].sample <= from[b].sample) ? from[a++] : from[b++];
        }
        shn_annotation *swap = from;
        from = to;
        to = swap;
    }
    free(to);
    s->items = from;
    return SHN_OK;
}

shn_status shn_annotations_parse(const uint8_t *bytes, size_t n_bytes, shn_annotations **out, shn_error *err)
{
    *out = NULL;
    if (n_bytes > SHN_ANNOTATION_FILE_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "wfdb.annotation", "%zu bytes, at most %zu", n_bytes, SHN_ANNOTATION_FILE_MAX);
    if (is_aha(bytes, n_bytes))
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "wfdb.annotation", "annotations of the AHA format; only those of the MIT format are read");
    parser p = { .bytes = bytes, .n = n_bytes, .in_head = 1, .set = shn_alloc(1, sizeof *p.set) };
    if (!p.set) return shn_fail_nomem(err, "wfdb.annotation");
    p.set->texts = shn_alloc(n_bytes + 1, 1);
    p.set->n_texts = 1;                         /* the empty text */
    shn_status st = p.set->texts ? parse(&p, err) : shn_fail_nomem(err, "wfdb.annotation");
    if (st == SHN_OK) st = sort(p.set, err);
    if (st != SHN_OK) {
        shn_annotations_free(p.set);
        return st;
    }
    *out = p.set;
    return SHN_OK;
}

void shn_annotations_free(shn_annotations *set)
{
    if (!set) return;
    free(set->items);
    free(set->texts);
    free(set);
}

size_t                shn_annotations_count(const shn_annotations *set) { return set->n; }
const shn_annotation *shn_annotations_at(const shn_annotations *set, size_t i) { return &set->items[i]; }
double                shn_annotations_rate_hz(const shn_annotations *set) { return set->rate_hz; }
