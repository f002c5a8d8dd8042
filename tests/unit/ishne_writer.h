/** Makes ISHNE Holter files by hand for tests. Shares nothing with the reader: the CRC here goes bit by bit over the message with its 16 zero bits. */
#ifndef SHN_TESTS_ISHNE_WRITER_H
#define SHN_TESTS_ISHNE_WRITER_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct ishne_made { uint8_t b[16384]; size_t n, ecg; } ishne_made;

static inline void ishne_put(ishne_made *m, size_t at, long v, int n) { for (int i = 0; i < n; i++) m->b[at + (size_t)i] = (uint8_t)((unsigned long)v >> 8 * i); }

/** Polynomial division of the message, whose first 16 bits are complemented, followed by 16 zeros. */
static inline unsigned ishne_made_crc(const uint8_t *p, size_t n)
{
    unsigned rest = 0;
    for (size_t bit = 0; bit < 8 * n + 16; bit++) {
        unsigned in = bit < 8 * n ? p[bit / 8] >> (7 - bit % 8) & 1u : 0;
        if (bit < 16) in ^= 1;
        const unsigned out = rest >> 15 & 1;
        rest = (rest << 1 | in) & 0xffff;
        if (out) rest ^= 0x1021;
    }
    return rest;
}
static inline void ishne_sign(ishne_made *m) { ishne_put(m, 8, (long)ishne_made_crc(m->b + 10, m->ecg - 10), 2); }

/** A recording of leads x samples, sample i of lead l is 10 * i + l; 12 leads at most, 2500 nV, 200 Hz, a variable block of 8 bytes. */
static inline void ishne_make(ishne_made *m, int leads, int samples)
{
    static const int codes[12] = { 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
    memset(m, 0, sizeof *m);
    memcpy(m->b, "ISHNE1.0", 8);
    m->ecg = 530;
    ishne_put(m, 10, 8, 4);
    ishne_put(m, 14, samples, 4);
    ishne_put(m, 18, 522, 4);
    ishne_put(m, 22, 530, 4);
    ishne_put(m, 26, 1, 2);
    memcpy(m->b + 28, "Hanako", 6);
    memcpy(m->b + 68, "Yamada", 6);
    memcpy(m->b + 108, "PAT-00417", 9);
    ishne_put(m, 128, 2, 2);
    static const int dates[4][3] = { { 29, 2, 1960 }, { 1, 3, 2021 }, { 2, 3, 2021 }, { 9, 17, 34 } };
    for (int d = 0; d < 4; d++)
        for (int i = 0; i < 3; i++) ishne_put(m, 132 + 6 * (size_t)d + 2 * (size_t)i, dates[d][i], 2);
    ishne_put(m, 156, leads, 2);
    for (int i = 0; i < 12; i++) {
        ishne_put(m, 158 + 2 * (size_t)i, i < leads ? codes[i] : -9, 2);
        ishne_put(m, 182 + 2 * (size_t)i, i < leads ? 1 : -9, 2);
        ishne_put(m, 206 + 2 * (size_t)i, i < leads ? 2500 : -9, 2);
    }
    ishne_put(m, 230, 5, 2);
    memcpy(m->b + 232, "digital", 7);
    ishne_put(m, 272, 200, 2);
    memcpy(m->b + 274, "SN 4711", 7);
    memcpy(m->b + 354, "(c) hospital", 12);
    memcpy(m->b + 522, "PAT-0041", 8);
    m->n = m->ecg;
    for (int i = 0; i < samples; i++)
        for (int l = 0; l < leads; l++, m->n += 2) ishne_put(m, m->n, 10 * i + l, 2);
    ishne_sign(m);
}

#endif
