#include "formats/sierra/xli.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"

enum { CODE_BITS = 10, CODES = 1 << CODE_BITS, FIRST_FREE = 256, HEADER = 8 };

/** Each code is the word of an earlier code and one byte more; words come out backwards. */
typedef struct dictionary { uint16_t before[CODES], length[CODES]; uint8_t last[CODES]; unsigned n; } dictionary;

/** Writes the word of a code to out[0 .. length) and returns its first byte. */
static uint8_t spell(const dictionary *d, unsigned code, uint8_t *out)
{
    for (size_t i = d->length[code]; i-- > 0; code = d->before[code]) out[i] = d->last[code];
    return out[0];
}

/** LZW with codes of ten bits; the dictionary stops growing when it is full. */
static shn_status unpack(const uint8_t *p, size_t n_bytes, uint8_t *out, size_t room, size_t *n_out, shn_error *err)
{
    dictionary d = { .n = FIRST_FREE };
    int        previous = -1;
    size_t     n = 0, bit = 0;
    for (unsigned c = 0; c < FIRST_FREE; c++) {
        d.last[c] = (uint8_t)c;
        d.length[c] = 1;
    }
    for (; n < room && bit + CODE_BITS <= 8 * n_bytes; bit += CODE_BITS) {
        const size_t   byte = bit / 8;
        const uint32_t window = (uint32_t)p[byte] << 16 | (uint32_t)p[byte + 1] << 8 | (byte + 2 < n_bytes ? p[byte + 2] : 0u);
        const unsigned code = window >> (24 - CODE_BITS - bit % 8) & (CODES - 1);
        const int      next = code == d.n && previous >= 0 && d.n < CODES;      /* the word that this very code completes */
        if (code >= d.n && !next)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "sierra.xli", "code %u at bit %zu when %u are known", code, bit, d.n);
        const size_t length = next ? (size_t)d.length[previous] + 1 : d.length[code];
        if (length > room - n)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "sierra.xli", "a word runs across the lead's end (%zu samples)", room / 2);
        uint8_t first;
        if (next) {
            first = spell(&d, (unsigned)previous, out + n);
            out[n + length - 1] = first;
        } else first = spell(&d, code, out + n);
        n += length;
        if (previous >= 0 && d.n < CODES && d.length[previous] < UINT16_MAX) {
            d.before[d.n] = (uint16_t)previous;
            d.last[d.n] = first;
            d.length[d.n] = (uint16_t)(d.length[previous] + 1);
            d.n++;
        }
        previous = (int)code;
    }
    *n_out = n;
    return SHN_OK;
}

/** High bytes first, low bytes after; then each sample is what a straight line through the two before it predicts, less the stored correction. */
static void integrate(const uint8_t *bytes, size_t n, int16_t start, int16_t *out)
{
    int16_t correction = start;
    for (size_t i = 0; i < n; i++) {
        const int16_t stored = (int16_t)(uint16_t)(bytes[i] << 8 | bytes[n + i]);
        if (i < 2) out[i] = stored;
        else {
            out[i] = (int16_t)(uint16_t)(2u * (uint16_t)out[i - 1] - (uint16_t)out[i - 2] - (uint16_t)correction);
            correction = (int16_t)(uint16_t)((uint16_t)stored - 64u);
        }
    }
}

shn_status shn_xli_chunk(const uint8_t *bytes, size_t n_bytes, size_t *at, size_t n, int16_t **out, shn_error *err)
{
    *out = NULL;
    if (n_bytes - *at < HEADER)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "sierra.xli", "the waveform data end at byte %zu, where a lead should begin", *at);
    const uint32_t size = read_u32le(bytes + *at);
    const int16_t  start = read_i16le(bytes + *at + 6);
    if (size < 2 || size > n_bytes - *at - HEADER)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "sierra.xli", "a lead of %u packed bytes at byte %zu, %zu are left", size, *at, n_bytes - *at - HEADER);
    /* before memory is taken for a claim: the k-th code gives at most k bytes, and no word is longer than the dictionary is deep */
    const size_t codes = (size_t)size * 8 / CODE_BITS;
    if (codes * (codes < CODES ? codes : CODES) < 2 * n)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "sierra.xli", "%u packed bytes cannot hold %zu samples", size, n);
    size_t     n_raw = 0;
    uint8_t   *raw = shn_alloc(n, 2);
    if (!raw) return shn_fail_nomem(err, "sierra.xli");
    shn_status st = unpack(bytes + *at + HEADER, size, raw, 2 * n, &n_raw, err);
    if (st == SHN_OK && n_raw < 2 * n) st = shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "sierra.xli", "%zu bytes of samples, %zu were announced", n_raw, 2 * n);
    if (st == SHN_OK && !(*out = shn_alloc(n, sizeof **out))) st = shn_fail_nomem(err, "sierra.xli");
    if (st == SHN_OK) {
        integrate(raw, n, start, *out);
        *at += HEADER + size;
    }
    free(raw);
    return st;
}
