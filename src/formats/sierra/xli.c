/** XLI: LZW of 10 bits over the split bytes of second differences. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "formats/sierra/sierra.h"

enum { HEAD = 8, CODE_BITS = 10, END_CODE = 1023, FIRST_FREE = 256 };

/** A string of the table is a place in what was written before: strings are always previous string + one byte, which lie side by side there. */
typedef struct table { size_t at[END_CODE]; uint16_t length[END_CODE]; unsigned n; } table;

static shn_status lzw(const uint8_t *in, size_t n_in, uint8_t *out, size_t room, const char *place, size_t *n_out, shn_error *err)
{
    table    t = { .n = FIRST_FREE };
    uint32_t held = 0;
    unsigned n_held = 0;
    size_t   used = 0, last_at = 0, last_n = 0, pos = 0;
    for (;;) {
        while (n_held < CODE_BITS && pos < n_in) {
            held = held << 8 | in[pos++];
            n_held += 8;
        }
        if (n_held < CODE_BITS) break;                          /* without an end code: what came out must suffice */
        n_held -= CODE_BITS;
        const unsigned code = held >> n_held & (END_CODE);
        if (code == END_CODE) break;
        if (code > t.n || (code == t.n && last_n == 0) || (code >= FIRST_FREE && code == t.n && t.n == END_CODE))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, place, "byte %zu: code %u is not in the table; the data are damaged", pos, code);
        const int    self = code == t.n;                        /* the string that is just being made: previous + its own first byte */
        const size_t n = code < FIRST_FREE ? 1 : self ? last_n + 1 : t.length[code];
        if (n > room - used) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, place, "more samples than the file announces (%zu)", room / 2);
        if (code < FIRST_FREE) out[used] = (uint8_t)code;
        else if (self) {
            memcpy(out + used, out + last_at, last_n);
            out[used + last_n] = out[last_at];
        } else {
            memcpy(out + used, out + t.at[code], n);
        }
        if (last_n && t.n < END_CODE) {
            t.at[t.n] = last_at;                                /* the previous string and the byte that now follows it */
            t.length[t.n] = (uint16_t)(last_n + 1);
            t.n++;
        }
        last_at = used;
        last_n = n;
        used += n;
    }
    *n_out = used;
    return SHN_OK;
}

static void integrate(const uint8_t *high, size_t n, int first_delta, int16_t *s, size_t *wrapped)
{
    const uint8_t *low = high + n;
    int            delta = first_delta;
    for (size_t i = 0; i < n; i++) {
        const int d = (int16_t)(uint16_t)(high[i] << 8 | low[i]);
        if (i < 2) {
            s[i] = (int16_t)d;
            continue;
        }
        const int sum = 2 * s[i - 1] - s[i - 2] - delta;
        s[i] = (int16_t)(uint16_t)sum;
        *wrapped += sum != s[i];
        delta = d - 64;
    }
}

shn_status sierra_xli_chunk(const uint8_t **bytes, size_t *n_bytes, size_t n_expected, const char *place, int16_t **out, size_t *n,
                            size_t *wrapped, shn_error *err)
{
    *out = NULL;
    *n = *wrapped = 0;
    if (*n_bytes < HEAD)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, place, "%zu bytes are left for its chunk; export the file again", *n_bytes);
    const uint32_t size = read_u32le(*bytes);
    const int      first_delta = read_i16le(*bytes + 6);
    if (size > *n_bytes - HEAD)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, place, "a chunk of %u bytes, %zu are left; export the file again", size, *n_bytes - HEAD);
    const uint8_t *packed = *bytes + HEAD;
    *bytes += HEAD + size;
    *n_bytes -= HEAD + size;
    /* a code gives at most 768 bytes, so that a short chunk cannot ask for much */
    const size_t codes = (size_t)size * 8 / CODE_BITS;
    const size_t room = codes < 2 * n_expected / 768 ? codes * 768 : 2 * n_expected;
    uint8_t     *plain = shn_alloc(room, 1);
    if (!plain) return shn_fail_nomem(err, place);
    size_t       n_plain;
    shn_status   st = lzw(packed, size, plain, room, place, &n_plain, err);
    if (st == SHN_OK && n_plain % 2 != 0)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, place, "%zu bytes after decompression are no whole number of samples", n_plain);
    if (st == SHN_OK && !(*out = shn_alloc(n_plain / 2, sizeof **out))) st = shn_fail_nomem(err, place);
    if (st == SHN_OK) {
        *n = n_plain / 2;
        integrate(plain, *n, first_delta, *out, wrapped);
    }
    free(plain);
    return st;
}
