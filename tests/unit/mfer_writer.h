/** Makes MFER files by hand for tests: a buffer and definitions put into it one by one, by the standard's tables. Shares nothing with the reader. */
#ifndef SHN_TESTS_MFER_WRITER_H
#define SHN_TESTS_MFER_WRITER_H

#include <stdint.h>
#include <string.h>

typedef struct mfer_made { uint8_t b[65536]; size_t n; int big; } mfer_made;

static inline void made_byte(mfer_made *m, unsigned v) { m->b[m->n++] = (uint8_t)v; }
static inline void made_bytes(mfer_made *m, const void *p, size_t n) { memcpy(m->b + m->n, p, n); m->n += n; }
static inline void made_number(mfer_made *m, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) made_byte(m, (unsigned)(v >> 8 * (m->big ? n - 1 - i : i)) & 255);
}
/** Tag and length in the shortest form, or with `form` bytes of length. */
static inline void made_head(mfer_made *m, int tag, size_t n, int form)
{
    made_byte(m, (unsigned)tag);
    if (form == 0 && n < 128) { made_byte(m, (unsigned)n); return; }
    if (form == 0) form = 4;
    made_byte(m, 0x80u | (unsigned)form);
    while (form-- > 0) made_byte(m, (unsigned)(n >> 8 * form) & 255);
}
static inline void made_def(mfer_made *m, int tag, uint64_t v, int n) { made_head(m, tag, (size_t)n, 0); made_number(m, v, n); }
static inline void made_text(mfer_made *m, int tag, const char *text) { made_head(m, tag, strlen(text), 0); made_bytes(m, text, strlen(text)); }
static inline void made_scaled(mfer_made *m, int tag, int unit, int exponent, unsigned mantissa)
{
    made_head(m, tag, 4, 0);
    made_byte(m, (unsigned)unit);
    made_byte(m, (unsigned)exponent & 255);
    made_number(m, mantissa, 2);
}
static inline void made_order(mfer_made *m, int big)
{
    m->big = big;
    made_head(m, 0x01, 1, 0);
    made_byte(m, big ? 0 : 1);
}
/** A channel (from 0) with one definition of n bytes. */
static inline void made_channel(mfer_made *m, unsigned channel, int tag, uint64_t v, int n)
{
    made_byte(m, 0x3f);
    if (channel > 127) made_byte(m, 0x80u | channel >> 7);
    made_byte(m, channel & 127);
    made_byte(m, (unsigned)n + 2);
    made_def(m, tag, v, n);
}
static inline void made_preamble(mfer_made *m, const char *words)
{
    made_head(m, 0x40, 32, 0);
    made_bytes(m, "MFR ", 4);
    for (size_t i = 0; i < 28; i++) made_byte(m, i < strlen(words) ? (unsigned)words[i] : ' ');
}
/** Rate, 5 uV steps, block, channels, sequences; leads I, II, V1 .. by code. */
static inline void made_frame(mfer_made *m, unsigned block, unsigned channels, unsigned sequences)
{
    made_scaled(m, 0x0b, 1, -3, 2);
    made_scaled(m, 0x0c, 0, -6, 5);
    made_def(m, 0x04, block, 4);
    made_def(m, 0x05, channels, 4);
    made_def(m, 0x06, sequences, 4);
    for (unsigned i = 0; i < channels; i++) made_channel(m, i, 0x09, i + 1, 1);
}
/** 16-bit samples v(channel, i) = 100 * channel + i. */
static inline void made_wave(mfer_made *m, unsigned block, unsigned channels, unsigned sequences, unsigned from)
{
    made_head(m, 0x1e, (size_t)block * channels * sequences * 2, 0);
    for (unsigned s = 0; s < sequences; s++)
        for (unsigned c = 0; c < channels; c++)
            for (unsigned i = 0; i < block; i++) made_number(m, 100 * c + from + s * block + i, 2);
}
static inline void made_end(mfer_made *m) { made_byte(m, 0x80); made_byte(m, 0); }

#endif
