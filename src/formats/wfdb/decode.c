#include "formats/wfdb/decode.h"

#include "base/bytes.h"

static const struct { int format, bits; int32_t invalid; } known[] = {
    { 8, 16, INT32_MIN },    { 16, 16, -32768 },   { 24, 24, -8388608 }, { 32, 32, INT32_MIN }, { 61, 16, -32768 },
    { 80, 8, -128 },         { 160, 16, -32768 },  { 212, 12, -2048 },   { 310, 10, -512 },     { 311, 10, -512 },
    { 508, 8, -128 },        { 516, 16, -32768 },  { 524, 24, -8388608 },
};

int wfdb_format_known(int format) { return wfdb_format_bits(format) != 0; }

int wfdb_format_is_flac(int format) { return format == 508 || format == 516 || format == 524; }

int wfdb_format_bits(int format)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].format == format) return known[i].bits;
    return 0;
}

int32_t wfdb_format_invalid(int format)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].format == format) return known[i].invalid;
    return INT32_MIN;
}

uint64_t wfdb_format_bytes(int format, uint64_t n)
{
    /* what is left after whole groups: 212 packs 2 samples in 3 bytes, 310 and 311 pack 3 in 4 */
    static const uint8_t rest_310[3] = { 0, 2, 4 }, rest_311[3] = { 0, 2, 3 };
    switch (format) {
    case 8: case 80: return n;
    case 24: return 3 * n;
    case 32: return 4 * n;
    case 212: return n / 2 * 3 + (n % 2 ? 2 : 0);
    case 310: return n / 3 * 4 + rest_310[n % 3];
    case 311: return n / 3 * 4 + rest_311[n % 3];
    default: return 2 * n;
    }
}

uint64_t wfdb_format_samples(int format, uint64_t n)
{
    switch (format) {
    case 8: case 80: return n;
    case 24: return n / 3;
    case 32: return n / 4;
    case 212: return n / 3 * 2 + (n % 3 == 2);
    case 310: return n / 4 * 3 + (n % 4 >= 2);
    case 311: return n / 4 * 3 + (n % 4 == 3 ? 2 : n % 4 == 2);
    default: return n / 2;
    }
}

/** The low `bits` bits of v as a two's complement number. */
static int32_t sign_extend(uint32_t v, unsigned bits)
{
    const uint32_t sign = 1u << (bits - 1), mask = (sign << 1) - 1;
    return (int32_t)((v & mask) ^ sign) - (int32_t)sign;
}

static int32_t sample_212(const uint8_t *b, uint64_t i)
{
    const uint8_t *g = b + i / 2 * 3;
    return i % 2 ? sign_extend((uint32_t)(g[1] & 0xf0) << 4 | g[2], 12) : sign_extend((uint32_t)(g[1] & 0x0f) << 8 | g[0], 12);
}

/** Two 16-bit words: bits 1..10 are one sample each, their top five bits together the third. */
static int32_t sample_310(const uint8_t *b, uint64_t i)
{
    const uint8_t *g = b + i / 3 * 4;
    switch (i % 3) {
    case 0: return sign_extend((uint32_t)read_u16le(g) >> 1, 10);
    case 1: return sign_extend((uint32_t)read_u16le(g + 2) >> 1, 10);
    default: return sign_extend((uint32_t)read_u16le(g) >> 11 | ((uint32_t)read_u16le(g + 2) >> 11) << 5, 10);
    }
}

/** One 32-bit word: three 10-bit samples from the low end. Only the bytes that hold the sample are touched. */
static int32_t sample_311(const uint8_t *b, uint64_t i)
{
    const uint8_t *g = b + i / 3 * 4;
    switch (i % 3) {
    case 0: return sign_extend(read_u16le(g), 10);
    case 1: return sign_extend((uint32_t)g[1] >> 2 | (uint32_t)g[2] << 6, 10);
    default: return sign_extend((uint32_t)g[2] >> 4 | (uint32_t)g[3] << 4, 10);
    }
}

void wfdb_unpack(int format, const uint8_t *bytes, uint64_t first, size_t n, int32_t *out)
{
    switch (format) {
    case 8:
        for (size_t i = 0; i < n; i++) out[i] = (int8_t)bytes[first + i];
        break;
    case 80:
        for (size_t i = 0; i < n; i++) out[i] = bytes[first + i] - 128;
        break;
    case 61:
        for (size_t i = 0; i < n; i++) out[i] = read_i16be(bytes + 2 * (first + i));
        break;
    case 160:
        for (size_t i = 0; i < n; i++) out[i] = (int32_t)read_u16le(bytes + 2 * (first + i)) - 32768;
        break;
    case 24:
        for (size_t i = 0; i < n; i++) {
            const uint8_t *p = bytes + 3 * (first + i);
            out[i] = sign_extend((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16, 24);
        }
        break;
    case 32:
        for (size_t i = 0; i < n; i++) out[i] = read_i32le(bytes + 4 * (first + i));
        break;
    case 212:
        for (size_t i = 0; i < n; i++) out[i] = sample_212(bytes, first + i);
        break;
    case 310:
        for (size_t i = 0; i < n; i++) out[i] = sample_310(bytes, first + i);
        break;
    case 311:
        for (size_t i = 0; i < n; i++) out[i] = sample_311(bytes, first + i);
        break;
    default:
        for (size_t i = 0; i < n; i++) out[i] = read_i16le(bytes + 2 * (first + i));
        break;
    }
}
