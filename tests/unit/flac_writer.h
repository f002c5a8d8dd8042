/**
 * FLAC streams made by hand for tests: verbatim and constant subframes, fixed block size, CRCs. Written from RFC 9639; shares nothing with the
 * reader or with libFLAC.
 */
#ifndef SHN_TESTS_FLAC_WRITER_H
#define SHN_TESTS_FLAC_WRITER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct flac_bits { uint8_t *out; size_t n_bits; } flac_bits;

static inline void flac_put(flac_bits *b, uint64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, b->n_bits++) {
        if (b->n_bits % 8 == 0) b->out[b->n_bits / 8] = 0;
        b->out[b->n_bits / 8] |= (uint8_t)((v >> i & 1) << (7 - b->n_bits % 8));
    }
}

static inline unsigned flac_crc(const uint8_t *p, size_t n, unsigned polynomial, int width)
{
    unsigned crc = 0;
    for (size_t i = 0; i < n; i++) {
        crc ^= (unsigned)p[i] << (width - 8);
        for (int b = 0; b < 8; b++) crc = (crc << 1 ^ (crc >> (width - 1) & 1 ? polynomial : 0)) & ((1u << width) - 1);
    }
    return crc;
}

/** v [n_channels][n]; block samples a frame (at most 256 frames of fewer than 65536); announced 0: the stream does not say how long it is. Returns bytes. */
static inline size_t flac_write(const int *const *v, unsigned n_channels, unsigned bits, size_t n, unsigned block, uint64_t announced, const char *comment,
                                uint8_t *out)
{
    flac_bits b = { out, 0 };
    memcpy(out, "fLaC", 4);
    b.n_bits = 32;
    flac_put(&b, comment ? 0 : 0x80, 8);
    flac_put(&b, 34, 24);
    flac_put(&b, block, 16);
    flac_put(&b, block, 16);
    flac_put(&b, 0, 48);
    flac_put(&b, 96000, 20);
    flac_put(&b, n_channels - 1, 3);
    flac_put(&b, bits - 1, 5);
    flac_put(&b, announced, 36);
    for (int i = 0; i < 16; i++) flac_put(&b, 0, 8);
    if (comment) {                              /* VORBIS_COMMENT: no vendor, one comment, little-endian lengths */
        const unsigned length = (unsigned)strlen(comment);
        flac_put(&b, 0x84, 8);
        flac_put(&b, 4 + 4 + 4 + length, 24);
        flac_put(&b, 0, 32);
        flac_put(&b, 1u << 24, 32);
        flac_put(&b, length << 24, 32);
        for (unsigned i = 0; i < length; i++) flac_put(&b, (uint8_t)comment[i], 8);
    }
    for (size_t at = 0, frame = 0; at < n; at += block, frame++) {
        const size_t start = b.n_bits / 8, count = n - at < block ? n - at : block;
        flac_put(&b, 0xfff8, 16);               /* sync, fixed block size */
        flac_put(&b, 7, 4);                     /* block size: 16 bits at the end of the header */
        flac_put(&b, 0, 4);                     /* rate and bits as STREAMINFO says */
        flac_put(&b, n_channels - 1, 4);
        flac_put(&b, 0, 4);
        if (frame < 128) flac_put(&b, frame, 8);
        else flac_put(&b, 0xc080 | (frame >> 6) << 8 | (frame & 63), 16);
        flac_put(&b, count - 1, 16);
        flac_put(&b, flac_crc(out + start, b.n_bits / 8 - start, 0x07, 8), 8);
        for (unsigned c = 0; c < n_channels; c++) {
            int constant = 1;
            for (size_t i = 1; i < count; i++) constant &= v[c][at + i] == v[c][at];
            flac_put(&b, constant ? 0 : 2, 8);  /* subframe: constant or verbatim */
            for (size_t i = 0; i < (constant ? 1 : count); i++) flac_put(&b, (uint64_t)(int64_t)v[c][at + i], (int)bits);
        }
        while (b.n_bits % 8) flac_put(&b, 0, 1);
        flac_put(&b, flac_crc(out + start, b.n_bits / 8 - start, 0x8005, 16), 16);
    }
    return b.n_bits / 8;
}

#endif
