/** Makes DICOM objects by hand, from PS3.5's tables; shares no code with the reader. Any coding, defined or undefined lengths, with or without head. */
#ifndef SHN_TESTS_DICOM_WRITER_H
#define SHN_TESTS_DICOM_WRITER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct dw {
    uint8_t b[1 << 16];
    size_t  n;
    int     implicit, big, undefined;
} dw;

static inline void dw_raw(dw *w, const void *p, size_t n)
{
    if (n > sizeof w->b - w->n) abort();
    if (n) memcpy(w->b + w->n, p, n);
    w->n += n;
}

static inline void dw_number(dw *w, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        const uint8_t one = (uint8_t)(v >> 8 * (w->big ? bytes - 1 - i : i));
        dw_raw(w, &one, 1);
    }
}

static inline void dw_patch(dw *w, size_t at, uint32_t v)
{
    const size_t end = w->n;
    w->n = at;
    dw_number(w, v, 4);
    w->n = end;
}

/** Tag, VR and length; returns where a length of four bytes stands. */
static inline size_t dw_head(dw *w, uint32_t tag, const char *vr, uint32_t n)
{
    dw_number(w, tag >> 16, 2);
    dw_number(w, tag & 0xffff, 2);
    if (!w->implicit && tag >> 16 != 0xfffe) {
        dw_raw(w, vr, 2);
        if (strcmp(vr, "SQ") != 0 && strcmp(vr, "OB") != 0 && strcmp(vr, "OW") != 0 && strcmp(vr, "UN") != 0 && strcmp(vr, "UT") != 0) {
            dw_number(w, n, 2);
            return w->n - 2;
        }
        dw_number(w, 0, 2);
    }
    dw_number(w, n, 4);
    return w->n - 4;
}

static inline void dw_bytes(dw *w, uint32_t tag, const char *vr, const void *p, size_t n)
{
    dw_head(w, tag, vr, (uint32_t)(n + n % 2));
    dw_raw(w, p, n);
    if (n % 2) dw_raw(w, strcmp(vr, "UI") == 0 || *vr == 'O' ? "" : " ", 1);
}

static inline void dw_text(dw *w, uint32_t tag, const char *vr, const char *text) { dw_bytes(w, tag, vr, text, strlen(text)); }
static inline void dw_us(dw *w, uint32_t tag, unsigned v) { dw_head(w, tag, "US", 2); dw_number(w, v, 2); }
static inline void dw_ul(dw *w, uint32_t tag, unsigned v) { dw_head(w, tag, "UL", 4); dw_number(w, v, 4); }

/** Sequences and items nest: open returns what close needs. */
static inline size_t dw_open(dw *w, uint32_t tag) { return dw_head(w, tag, "SQ", w->undefined ? 0xffffffffu : 0); }
static inline void dw_close(dw *w, size_t at, uint32_t delimiter)
{
    if (!w->undefined) dw_patch(w, at, (uint32_t)(w->n - at - 4));
    else dw_head(w, delimiter, "", 0);
}
static inline size_t dw_item(dw *w) { return dw_head(w, 0xfffee000, "", w->undefined ? 0xffffffffu : 0); }
#define DW_END_ITEM 0xfffee00du
#define DW_END_SEQUENCE 0xfffee0ddu

static inline void dw_code(dw *w, uint32_t tag, const char *value, const char *scheme, const char *meaning)
{
    const size_t s = dw_open(w, tag), i = dw_item(w);
    dw_text(w, 0x00080100, "SH", value);
    dw_text(w, 0x00080102, "SH", scheme);
    if (meaning) dw_text(w, 0x00080104, "LO", meaning);
    dw_close(w, i, DW_END_ITEM);
    dw_close(w, s, DW_END_SEQUENCE);
}

/** Preamble, "DICM" and meta elements; the data set follows in the coding of w. */
static inline void dw_begin(dw *w, int preamble, const char *syntax)
{
    const int implicit = w->implicit, big = w->big;
    w->implicit = w->big = 0;
    w->n = 0;
    if (preamble) {
        memset(w->b, 'p', 128);
        w->n = 128;
        dw_raw(w, "DICM", 4);
    }
    if (syntax) {
        dw_ul(w, 0x00020000, 0);
        const size_t at = w->n;
        dw_bytes(w, 0x00020001, "OB", "\0\1", 2);
        dw_text(w, 0x00020002, "UI", "1.2.840.10008.5.1.4.1.1.9.1.1");
        dw_text(w, 0x00020003, "UI", "1.2.3.4.5");
        dw_text(w, 0x00020010, "UI", syntax);
        dw_text(w, 0x00020016, "AE", "WARD7");
        dw_patch(w, at - 4, (uint32_t)(w->n - at));
    }
    w->implicit = implicit;
    w->big = big;
}

typedef struct dw_channel {
    const char *code, *scheme, *meaning, *label, *sensitivity, *unit, *correction, *baseline;
    int         bits_stored;
} dw_channel;

static inline void dw_channels(dw *w, const dw_channel *c, size_t n)
{
    const size_t s = dw_open(w, 0x003a0200);
    for (size_t i = 0; i < n; i++) {
        const size_t item = dw_item(w);
        if (c[i].label) dw_text(w, 0x003a0203, "SH", c[i].label);
        if (c[i].code) dw_code(w, 0x003a0208, c[i].code, c[i].scheme ? c[i].scheme : "SCPECG", c[i].meaning);
        if (c[i].sensitivity) dw_text(w, 0x003a0210, "DS", c[i].sensitivity);
        if (c[i].unit) dw_code(w, 0x003a0211, c[i].unit, "UCUM", NULL);
        if (c[i].correction) dw_text(w, 0x003a0212, "DS", c[i].correction);
        if (c[i].baseline) dw_text(w, 0x003a0213, "DS", c[i].baseline);
        if (c[i].bits_stored) dw_us(w, 0x003a021a, (unsigned)c[i].bits_stored);
        dw_text(w, 0x003a0220, "DS", "0.05");
        dw_text(w, 0x003a0221, "DS", "150");
        dw_text(w, 0x003a0222, "DS", "50");
        dw_close(w, item, DW_END_ITEM);
    }
    dw_close(w, s, DW_END_SEQUENCE);
}

typedef struct dw_group {
    const char       *originality, *label, *rate, *offset_ms, *interpretation;
    int               bits;
    const dw_channel *channels;
    size_t            n_channels, n_samples, announced;     /* announced 0: n_samples */
    const int        *samples;                              /* [n_samples][n_channels] */
    const int        *padding;
    const char       *data_vr;                              /* NULL: OW */
} dw_group;

/** Samples of one byte go pairwise into words where the VR is OW and the order big-endian. */
static inline void dw_samples(dw *w, const dw_group *g)
{
    const size_t n = g->n_samples * g->n_channels, bytes = n * (size_t)g->bits / 8;
    const char  *vr = g->data_vr ? g->data_vr : "OW";
    dw_head(w, 0x54001010, vr, (uint32_t)(bytes + bytes % 2));
    const size_t at = w->n;
    for (size_t i = 0; i < n; i++) dw_number(w, (uint32_t)g->samples[i], g->bits / 8);
    if (bytes % 2) dw_raw(w, "", 1);
    if (g->bits == 8 && w->big && strcmp(vr, "OW") == 0)
        for (size_t i = at; i + 1 < w->n; i += 2) {
            const uint8_t t = w->b[i];
            w->b[i] = w->b[i + 1];
            w->b[i + 1] = t;
        }
}

static inline void dw_put_group(dw *w, const dw_group *g)
{
    const size_t item = dw_item(w);
    if (g->offset_ms) dw_text(w, 0x00181068, "DS", g->offset_ms);
    if (g->originality) dw_text(w, 0x003a0004, "CS", g->originality);
    dw_us(w, 0x003a0005, (unsigned)g->n_channels);
    dw_ul(w, 0x003a0010, (unsigned)(g->announced ? g->announced : g->n_samples));
    dw_text(w, 0x003a001a, "DS", g->rate ? g->rate : "500");
    if (g->label) dw_text(w, 0x003a0020, "SH", g->label);
    dw_channels(w, g->channels, g->n_channels);
    dw_us(w, 0x54001004, (unsigned)g->bits);
    dw_text(w, 0x54001006, "CS", g->interpretation ? g->interpretation : "SS");
    if (g->padding) {
        dw_head(w, 0x5400100a, "OW", (uint32_t)(g->bits == 8 ? 2 : g->bits / 8));
        dw_number(w, (uint32_t)*g->padding & (g->bits == 8 ? 0xff : 0xffffffff), g->bits == 8 ? 2 : g->bits / 8);
    }
    dw_samples(w, g);
    dw_close(w, item, DW_END_ITEM);
}

static inline void dw_groups(dw *w, const dw_group *g, size_t n)
{
    const size_t s = dw_open(w, 0x54000100);
    for (size_t i = 0; i < n; i++) dw_put_group(w, &g[i]);
    dw_close(w, s, DW_END_SEQUENCE);
}

/** Demographics as hospitals write them, with names of people in every place that has one. */
static inline void dw_people(dw *w, const char *charset, const char *birth, const char *age)
{
    if (charset) dw_text(w, 0x00080005, "CS", charset);
    dw_text(w, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.9.1.1");
    dw_text(w, 0x00080018, "UI", "1.2.3.4.5");
    dw_text(w, 0x00080020, "DA", "20130124");
    dw_text(w, 0x0008002a, "DT", "20130125105919.25+0900");
    dw_text(w, 0x00080050, "SH", "ACC-77");
    dw_text(w, 0x00080070, "LO", "Maker");
    dw_text(w, 0x00080080, "LO", "Galliera");
    dw_text(w, 0x00080090, "PN", "Referrer^R");
    dw_text(w, 0x00081070, "PN", "Operator^O");
    dw_text(w, 0x00081090, "LO", "Model 9");
    dw_text(w, 0x00090010, "LO", "PRIVATE GROUP");
    dw_text(w, 0x00091001, "LO", "Clark^again");
    dw_text(w, 0x00100010, "PN", "Clark^Mary");
    dw_text(w, 0x00100020, "LO", "SBJ-1234");
    if (birth) dw_text(w, 0x00100030, "DA", birth);
    dw_text(w, 0x00100040, "CS", "F");
    if (age) dw_text(w, 0x00101010, "AS", age);
    dw_text(w, 0x00101040, "LO", "Main Street 5");
    dw_text(w, 0x00181000, "LO", "SERIAL-88");
    dw_text(w, 0x0020000d, "UI", "1.2.3.4");
    dw_text(w, 0x00380010, "LO", "ADM-9");
}

static inline void dw_measure(dw *w, const char *code, const char *meaning, const char *value, const char *unit, unsigned group, unsigned channel)
{
    const size_t item = dw_item(w);
    dw_code(w, 0x004008ea, unit, "UCUM", NULL);
    dw_code(w, 0x0040a043, code, "MDC", meaning);
    dw_head(w, 0x0040a0b0, "US", 4);
    dw_number(w, group, 2);
    dw_number(w, channel, 2);
    dw_text(w, 0x0040a30a, "DS", value);
    dw_close(w, item, DW_END_ITEM);
}

static inline void dw_statement(dw *w, const char *text)
{
    const size_t item = dw_item(w);
    dw_us(w, 0x0040a180, 0);
    dw_text(w, 0x00700006, "ST", text);
    dw_close(w, item, DW_END_ITEM);
}

#endif
