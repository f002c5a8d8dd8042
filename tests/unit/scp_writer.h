/**
 * Writes SCP-ECG files for tests, from the standard's layout and without a line of the reader: checksums bit by bit, Huffman codes as strings of
 * '0' and '1', the reference beat subtracted and data decimated here from a signal that the test keeps for comparison.
 */
#ifndef SHN_TESTS_SCP_WRITER_H
#define SHN_TESTS_SCP_WRITER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SW_ROOM = 1 << 19, SW_LEADS = 16, SW_SAMPLES = 6000, SW_BEATS = 8 };

typedef struct sw_bytes { uint8_t b[SW_ROOM]; size_t n; } sw_bytes;
typedef struct sw_beat { int type, from, at, to, protect_from, protect_to; } sw_beat;      /* from 1 */
/** A code of a manufacturer's table: bits as sent, value (or table), extra bits behind, 1 for a switch. */
typedef struct sw_code { const char *bits; int base, n_extra, is_switch; } sw_code;

typedef struct sw_spec {
    int            n_leads, n_samples;
    int            codes[SW_LEADS], first[SW_LEADS];            /* lead code; first sample, 0 here means 1 */
    int            zero_based;                                  /* section 3 says 0 and n, as some writers do */
    int16_t        x[SW_LEADS][SW_SAMPLES];                     /* at the full rate, in units of avm5 (with subtraction) or avm6 */
    unsigned       avm5, avm6, us;                              /* us: at the full rate */
    int            order, order5;
    int            huffman;                                     /* 0 none, 1 the standard's table, 2 `tables` */
    const sw_code *tables[4];
    int            n_codes[4], n_tables;
    int            subtract, ratio;                             /* ratio > 1: bimodal */
    int            n_beats, beat_ms, fiducial, n_beat;          /* n_beat: samples of the reference beat */
    sw_beat        beats[SW_BEATS];
    int16_t        beat[SW_LEADS][512];
    int            protocol, no_mark;
    const uint8_t *tags, *s7, *s8, *s9, *s10, *s11;             /* whole bodies; NULL: not there */
    size_t         n_tags, n7, n8, n9, n10, n11;
    int            drop[12];                                    /* leave a section out */
} sw_spec;

static inline void sw_put(sw_bytes *o, const void *p, size_t n)
{
    if (o->n + n > SW_ROOM) abort();
    memcpy(o->b + o->n, p, n);
    o->n += n;
}
static inline void sw_u8(sw_bytes *o, unsigned v) { uint8_t b = (uint8_t)v; sw_put(o, &b, 1); }
static inline void sw_u16(sw_bytes *o, unsigned v) { sw_u8(o, v & 255); sw_u8(o, v >> 8 & 255); }
static inline void sw_u32(sw_bytes *o, uint32_t v) { sw_u16(o, v & 0xFFFF); sw_u16(o, v >> 16); }
static inline void sw_set16(uint8_t *p, unsigned v) { p[0] = (uint8_t)(v & 255); p[1] = (uint8_t)(v >> 8); }
static inline void sw_set32(uint8_t *p, uint32_t v) { sw_set16(p, v & 0xFFFF); sw_set16(p + 2, v >> 16); }
static inline uint32_t sw_get32(const uint8_t *p) { return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }
static inline void sw_tag(sw_bytes *o, unsigned tag, const void *value, size_t n) { sw_u8(o, tag); sw_u16(o, (unsigned)n); sw_put(o, value, n); }
static inline void sw_tag_text(sw_bytes *o, unsigned tag, const char *text) { sw_tag(o, tag, text, strlen(text) + 1); }

static inline unsigned sw_crc(const uint8_t *p, size_t n)
{
    unsigned c = 0xFFFF;
    while (n--)
        for (int bit = 7, byte = *p++; bit >= 0; bit--) {
            const unsigned top = (c >> 15 ^ (unsigned)byte >> bit) & 1;
            c = (c << 1 & 0xFFFF) ^ (top ? 0x1021 : 0);
        }
    return c;
}

/* ---- bits ---- */

typedef struct sw_bits { uint8_t b[SW_ROOM / 4]; size_t n; } sw_bits;
static inline void sw_bit(sw_bits *o, int v)
{
    if (o->n % 8 == 0) o->b[o->n / 8] = 0;
    if (v) o->b[o->n / 8] |= (uint8_t)(128 >> o->n % 8);
    o->n++;
}
static inline void sw_word(sw_bits *o, const char *bits) { for (; *bits; bits++) sw_bit(o, *bits == '1'); }
static inline void sw_value(sw_bits *o, int v, int n) { for (int i = n - 1; i >= 0; i--) sw_bit(o, v >> i & 1); }

static inline void sw_default_code(sw_bits *o, int v)
{
    const int a = abs(v);
    if (a <= 8) {
        for (int i = 0; i < a; i++) sw_bit(o, 1);
        sw_bit(o, 0);
        if (v) sw_bit(o, v < 0);
    } else if (v >= -128 && v <= 127) {
        sw_word(o, "1111111110");
        sw_value(o, v, 8);
    } else {
        sw_word(o, "1111111111");
        sw_value(o, v, 16);
    }
}

/** With a manufacturer's tables: the first code of the present table that can say v, else the switch to the next table. */
static inline void sw_custom_code(sw_bits *o, const sw_spec *s, int *table, int v)
{
    for (int tries = 0; tries < 8; tries++) {
        const sw_code *to = NULL;
        for (int i = 0; i < s->n_codes[*table]; i++) {
            const sw_code *c = &s->tables[*table][i];
            if (c->is_switch) to = to ? to : c;
            else if (c->n_extra ? v - c->base >= -(1 << (c->n_extra - 1)) && v - c->base < 1 << (c->n_extra - 1) : v == c->base) {
                sw_word(o, c->bits);
                sw_value(o, v - c->base, c->n_extra);
                return;
            }
        }
        if (!to) abort();
        sw_word(o, to->bits);
        *table = to->base - 1;
    }
    abort();
}

/** Differences of values, 16-bit wrap-around, then Huffman or plain. */
static inline void sw_lead(const sw_spec *s, const int *v, int n, int order, sw_bytes *out)
{
    static sw_bits bits;
    int            table = 0;
    bits.n = 0;
    for (int i = 0; i < n; i++) {
        int d = v[i];
        if (order == 1 && i >= 1) d = v[i] - v[i - 1];
        if (order == 2 && i >= 2) d = v[i] - 2 * v[i - 1] + v[i - 2];
        d = (int)(int16_t)d;
        if (s->huffman == 0) sw_u16(out, (unsigned)d & 0xFFFF);
        else if (s->huffman == 1) sw_default_code(&bits, d);
        else sw_custom_code(&bits, s, &table, d);
    }
    if (s->huffman) sw_put(out, bits.b, (bits.n + 7) / 8);
}

/* ---- what the file holds of the signal ---- */

static inline int sw_protected(const sw_spec *s, int t)       /* from 1 */
{
    for (int q = 0; q < s->n_beats; q++)
        if (t >= s->beats[q].protect_from && t <= s->beats[q].protect_to) return 1;
    return 0;
}

/** Subtracts the beat: residual in units of avm6 (the test sees to it that it divides). */
static inline void sw_residual(const sw_spec *s, int lead, int *v)
{
    const int step = s->subtract ? (int)(s->avm6 / s->avm5) : 1;
    for (int i = 0; i < s->n_samples; i++) v[i] = s->x[lead][i];
    for (int q = 0; s->subtract && q < s->n_beats; q++)
        for (int t = s->beats[q].from; s->beats[q].type == 0 && t <= s->beats[q].to; t++) {
            const int m = s->fiducial + t - s->beats[q].at;                                     /* from 1 */
            if (m >= 1 && m <= s->n_beat && t >= 1 && t <= s->n_samples) v[t - 1] -= s->beat[lead][m - 1];
        }
    for (int i = 0; i < s->n_samples; i++) v[i] /= step;
}

/** Decimates outside protected areas: each block of `ratio` samples becomes its mean (rounded towards 0). Returns how many values there are. */
static inline int sw_decimate(const sw_spec *s, int *v)
{
    int n = 0;
    for (int t = 1; t <= s->n_samples;) {
        if (s->ratio <= 1 || sw_protected(s, t)) {
            v[n++] = v[t - 1];
            t++;
            continue;
        }
        int sum = 0, k = 0;
        while (k < s->ratio && t + k <= s->n_samples && !sw_protected(s, t + k)) sum += v[t - 1 + k++];
        v[n++] = sum / k;
        t += k;
    }
    return n;
}

/** What a reader must give, in units of avm5 or avm6: blocks back on a line between their middles, the beat added. */
static inline void sw_expected(const sw_spec *s, int lead, double *out)
{
    static int v[SW_SAMPLES], w[SW_SAMPLES];
    const int  step = s->subtract ? (int)(s->avm6 / s->avm5) : 1;
    sw_residual(s, lead, v);
    memcpy(w, v, sizeof w);
    sw_decimate(s, w);
    for (int t = 0, k = 0; t < s->n_samples;) {
        if (s->ratio <= 1 || sw_protected(s, t + 1)) {
            out[t++] = w[k++] * (double)step;
            continue;
        }
        int end = t;
        while (end < s->n_samples && !sw_protected(s, end + 1)) end++;
        const int blocks = (end - t + s->ratio - 1) / s->ratio;
        for (int i = t; i < end; i++) {
            double p = (double)(i - t - s->ratio / 2) / s->ratio;                               /* in blocks, from the middle of the first */
            if (p < 0) p = 0;
            if (p > blocks - 1) p = blocks - 1;
            const int    whole = (int)p;
            const double rest = p - whole;
            out[i] = (w[k + whole] + (rest > 0 ? rest * (w[k + whole + 1] - w[k + whole]) : 0)) * step;
        }
        k += blocks;
        t = end;
    }
    for (int q = 0; s->subtract && q < s->n_beats; q++)
        for (int t = s->beats[q].from; s->beats[q].type == 0 && t <= s->beats[q].to; t++) {
            const int m = s->fiducial + t - s->beats[q].at;
            if (m >= 1 && m <= s->n_beat && t >= 1 && t <= s->n_samples) out[t - 1] += s->beat[lead][m - 1];
        }
}

/* ---- sections ---- */

static inline void sw_tables(const sw_spec *s, sw_bytes *o)
{
    if (s->huffman == 1) {
        sw_u16(o, 19999);
        return;
    }
    sw_u16(o, (unsigned)s->n_tables);
    for (int t = 0; t < s->n_tables; t++) {
        sw_u16(o, (unsigned)s->n_codes[t]);
        for (int i = 0; i < s->n_codes[t]; i++) {
            const sw_code *c = &s->tables[t][i];
            uint32_t       word = 0;
            for (size_t k = 0; c->bits[k]; k++) word |= (uint32_t)(c->bits[k] == '1') << k;        /* the first bit lowest */
            sw_u8(o, (unsigned)strlen(c->bits));
            sw_u8(o, (unsigned)strlen(c->bits) + (unsigned)c->n_extra);
            sw_u8(o, !c->is_switch);
            sw_u16(o, (unsigned)c->base & 0xFFFF);
            sw_u32(o, word);
        }
    }
}

static inline void sw_data(const sw_spec *s, int section, sw_bytes *o)
{
    static sw_bytes data;
    static int      v[SW_SAMPLES];
    data.n = 0;
    sw_u16(o, section == 5 ? s->avm5 : s->avm6);
    sw_u16(o, section == 6 && s->ratio > 1 ? s->us * (unsigned)s->ratio : s->us);
    sw_u8(o, (unsigned)(section == 5 ? s->order5 : s->order));
    sw_u8(o, section == 6 && s->ratio > 1);
    for (int l = 0; l < s->n_leads; l++) {
        const size_t from = data.n;
        int          n = s->n_beat;
        if (section == 6) {
            sw_residual(s, l, v);
            n = sw_decimate(s, v);
        } else {
            for (int i = 0; i < n; i++) v[i] = s->beat[l][i];
        }
        sw_lead(s, v, n, section == 5 ? s->order5 : s->order, &data);
        sw_u16(o, (unsigned)(data.n - from));
    }
    sw_put(o, data.b, data.n);
}

static inline void sw_body(const sw_spec *s, int section, sw_bytes *o)
{
    switch (section) {
    case 1:
        if (s->tags) sw_put(o, s->tags, s->n_tags);
        sw_put(o, "\xff\0\0", 3);
        break;
    case 2: if (s->huffman) sw_tables(s, o); break;
    case 3:
        sw_u8(o, (unsigned)s->n_leads);
        sw_u8(o, (unsigned)((s->subtract ? 1 : 0) | 4 | (s->n_leads & 31) << 3));
        for (int l = 0; l < s->n_leads; l++) {
            const int first = s->first[l] ? s->first[l] : 1;
            sw_u32(o, s->zero_based ? 0 : (uint32_t)first);
            sw_u32(o, (uint32_t)(first + s->n_samples - 1));
            sw_u8(o, (unsigned)s->codes[l]);
        }
        break;
    case 4:
        if (!s->subtract && s->ratio <= 1) break;
        sw_u16(o, (unsigned)s->beat_ms);
        sw_u16(o, (unsigned)s->fiducial);
        sw_u16(o, (unsigned)s->n_beats);
        for (int q = 0; q < s->n_beats; q++) {
            sw_u16(o, (unsigned)s->beats[q].type);
            sw_u32(o, (uint32_t)s->beats[q].from);
            sw_u32(o, (uint32_t)s->beats[q].at);
            sw_u32(o, (uint32_t)s->beats[q].to);
        }
        for (int q = 0; q < s->n_beats && s->ratio > 1; q++) {
            sw_u32(o, (uint32_t)s->beats[q].protect_from);
            sw_u32(o, (uint32_t)s->beats[q].protect_to);
        }
        break;
    case 5: if (s->subtract || s->ratio > 1) sw_data(s, 5, o); break;
    case 6: sw_data(s, 6, o); break;
    case 7: if (s->s7) sw_put(o, s->s7, s->n7); break;
    case 8: if (s->s8) sw_put(o, s->s8, s->n8); break;
    case 9: if (s->s9) sw_put(o, s->s9, s->n9); break;
    case 10: if (s->s10) sw_put(o, s->s10, s->n10); break;
    case 11: if (s->s11) sw_put(o, s->s11, s->n11); break;
    }
}

/** Checksums of all sections that pointers name, then of the record: after a test changed bytes. */
static inline void sw_seal(sw_bytes *o)
{
    for (size_t p = 22; p + 10 <= 6 + sw_get32(o->b + 10); p += 10) {
        const uint32_t n = sw_get32(o->b + p + 2), at = sw_get32(o->b + p + 6);
        if (n >= 16 && at >= 7 && (size_t)at - 1 + n <= o->n) sw_set16(o->b + at - 1, sw_crc(o->b + at + 1, n - 2));
    }
    sw_set16(o->b, sw_crc(o->b + 2, o->n - 2));
}

static inline void sw_make(const sw_spec *s, sw_bytes *o)
{
    static sw_bytes body;
    o->n = 0;
    sw_u16(o, 0);
    sw_u32(o, 0);
    sw_u16(o, 0);
    sw_u16(o, 0);
    sw_u32(o, 136);
    sw_u8(o, (unsigned)s->protocol);
    sw_u8(o, (unsigned)s->protocol);
    sw_put(o, s->no_mark ? "\0\0\0\0\0\0" : "SCPECG", 6);
    for (int i = 0; i < 12; i++) {
        sw_u16(o, (unsigned)i);
        sw_u32(o, i ? 0 : 136);
        sw_u32(o, i ? 0 : 7);
    }
    for (int i = 1; i < 12; i++) {
        body.n = 0;
        if (!s->drop[i]) sw_body(s, i, &body);
        if (body.n == 0) continue;
        if (body.n % 2) sw_u8(&body, 0);
        sw_set32(o->b + 22 + 10 * i + 2, (uint32_t)body.n + 16);
        sw_set32(o->b + 22 + 10 * i + 6, (uint32_t)o->n + 1);
        sw_u16(o, 0);
        sw_u16(o, (unsigned)i);
        sw_u32(o, (uint32_t)body.n + 16);
        sw_u8(o, (unsigned)s->protocol);
        sw_u8(o, (unsigned)s->protocol);
        sw_put(o, "\0\0\0\0\0\0", 6);
        sw_put(o, body.b, body.n);
    }
    sw_set32(o->b + 2, (uint32_t)o->n);
    sw_seal(o);
}

/** Where a section's body begins in a file that sw_make wrote. */
static inline uint8_t *sw_section(sw_bytes *o, int number) { return o->b + sw_get32(o->b + 22 + 10 * number + 6) - 1 + 16; }

#endif
