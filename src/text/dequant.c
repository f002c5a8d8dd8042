/**
 * Expands blocks of stored weights to float32. Each value is computed by the same roundings as in the `gguf` package
 * (scale products first, then one multiplication and at most one addition, never fused), so results are equal in every bit
 * on every CPU; the compiler may only choose how many it does at once.
 */
#include "text/dequant.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clones.h"

static const shn_w_type_info types[] = {
    { "F32", 0, 1, 4, 1 },        { "F16", 1, 1, 2, 1 },        { "Q4_0", 2, 32, 18, 1 },     { "Q4_1", 3, 32, 20, 1 },
    { "Q5_0", 6, 32, 22, 1 },     { "Q5_1", 7, 32, 24, 1 },     { "Q8_0", 8, 32, 34, 1 },     { "Q8_1", 9, 32, 40, 0 },
    { "Q2_K", 10, 256, 84, 0 },   { "Q3_K", 11, 256, 110, 0 },  { "Q4_K", 12, 256, 144, 1 },  { "Q5_K", 13, 256, 176, 1 },
    { "Q6_K", 14, 256, 210, 1 },  { "Q8_K", 15, 256, 292, 0 },  { "IQ2_XXS", 16, 256, 66, 0 },{ "IQ2_XS", 17, 256, 74, 0 },
    { "IQ3_XXS", 18, 256, 98, 0 },{ "IQ1_S", 19, 256, 50, 0 },  { "IQ4_NL", 20, 32, 18, 0 },  { "IQ3_S", 21, 256, 110, 0 },
    { "IQ2_S", 22, 256, 82, 0 },  { "IQ4_XS", 23, 256, 136, 0 },{ "I8", 24, 1, 1, 0 },        { "I16", 25, 1, 2, 0 },
    { "I32", 26, 1, 4, 0 },       { "I64", 27, 1, 8, 0 },       { "F64", 28, 1, 8, 0 },       { "IQ1_M", 29, 256, 56, 0 },
    { "BF16", 30, 1, 2, 1 },      { "TQ1_0", 34, 256, 54, 0 },  { "TQ2_0", 35, 256, 66, 0 },  { "MXFP4", 39, 32, 17, 0 },
    { "NVFP4", 40, 64, 36, 0 },   { "Q1_0", 41, 128, 18, 0 },
};

const shn_w_type_info *shn_w_type_find(uint32_t id)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].id == id) return &types[i];
    return NULL;
}

const char *shn_w_type_name(shn_w_type type)
{
    const shn_w_type_info *info = shn_w_type_find((uint32_t)type);
    return info ? info->name : "unknown";
}

/** IEEE half to single, exact; branch-free so that it vectorises. A NaN keeps its payload. */
static inline float half_value(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, em = h & 0x7fffu;
    const float    tiny = (float)(int32_t)em * 0x1p-24f;      /* what a subnormal means */
    const uint32_t rebias = (112u << 23) + ((0u - (em >= 0x7c00u)) & 112u << 23);     /* infinity and NaN go to the top */
    const uint32_t subnormal = 0u - (em < 0x400u);
    uint32_t       bits;
    float          value;
    memcpy(&bits, &tiny, 4);
    bits = (bits & subnormal) | (((em << 13) + rebias) & ~subnormal) | sign;
    memcpy(&value, &bits, 4);
    return value;
}

static inline float half_at(const uint8_t *p) { return half_value(read_u16le(p)); }

static inline float bf16_at(const uint8_t *p)
{
    const uint32_t bits = (uint32_t)read_u16le(p) << 16;
    float          value;
    memcpy(&value, &bits, 4);
    return value;
}

/* Runs of a fixed length become vector code, which a loop of unknown length does not at -O2. */
SHN_CLONES static void expand_f16(const uint8_t *p, size_t n, float *restrict out)
{
    size_t i = 0;
    for (; n - i >= 32; i += 32) {
        uint16_t run[32];
        memcpy(run, p + 2 * i, sizeof run);
        for (size_t j = 0; j < 32; j++) out[i + j] = half_value(run[j]);
    }
    for (; i < n; i++) out[i] = half_at(p + 2 * i);
}

SHN_CLONES static void expand_bf16(const uint8_t *p, size_t n, float *restrict out)
{
    size_t i = 0;
    for (; n - i >= 32; i += 32) {
        uint16_t run[32];
        uint32_t bits[32];
        memcpy(run, p + 2 * i, sizeof run);
        for (size_t j = 0; j < 32; j++) bits[j] = (uint32_t)run[j] << 16;
        memcpy(out + i, bits, sizeof bits);
    }
    for (; i < n; i++) out[i] = bf16_at(p + 2 * i);
}

SHN_CLONES static void expand_q8_0(const uint8_t *p, size_t n, float *restrict out)
{
    for (size_t b = 0; b < n; b++, p += 34, out += 32) {
        const float d = half_at(p);
        for (size_t j = 0; j < 32; j++) out[j] = (float)(int8_t)p[2 + j] * d;
    }
}

SHN_CLONES static void expand_q4_0(const uint8_t *p, size_t n, float *restrict out)
{
    for (size_t b = 0; b < n; b++, p += 18, out += 32) {
        const float d = half_at(p);
        for (size_t j = 0; j < 16; j++) {
            out[j] = d * (float)((p[2 + j] & 15) - 8);
            out[j + 16] = d * (float)((p[2 + j] >> 4) - 8);
        }
    }
}

SHN_CLONES static void expand_q4_1(const uint8_t *p, size_t n, float *restrict out)
{
    for (size_t b = 0; b < n; b++, p += 20, out += 32) {
        const float d = half_at(p), m = half_at(p + 2);
        for (size_t j = 0; j < 16; j++) {
            out[j] = d * (float)(p[4 + j] & 15) + m;
            out[j + 16] = d * (float)(p[4 + j] >> 4) + m;
        }
    }
}

SHN_CLONES static void expand_q5_0(const uint8_t *p, size_t n, float *restrict out)
{
    for (size_t b = 0; b < n; b++, p += 22, out += 32) {
        const float    d = half_at(p);
        const uint32_t fifth = read_u32le(p + 2);
        for (size_t j = 0; j < 16; j++) {
            out[j] = d * (float)((int)((p[6 + j] & 15) | (fifth >> j & 1) << 4) - 16);
            out[j + 16] = d * (float)((int)(p[6 + j] >> 4 | (fifth >> (j + 16) & 1) << 4) - 16);
        }
    }
}

SHN_CLONES static void expand_q5_1(const uint8_t *p, size_t n, float *restrict out)
{
    for (size_t b = 0; b < n; b++, p += 24, out += 32) {
        const float    d = half_at(p), m = half_at(p + 2);
        const uint32_t fifth = read_u32le(p + 4);
        for (size_t j = 0; j < 16; j++) {
            out[j] = d * (float)(int)((p[8 + j] & 15) | (fifth >> j & 1) << 4) + m;
            out[j + 16] = d * (float)(int)(p[8 + j] >> 4 | (fifth >> (j + 16) & 1) << 4) + m;
        }
    }
}

/** Scale and minimum of group g of a K block: 6 bits each, the upper groups' top bits ride on the lower groups' bytes. */
static inline void k_scale(const uint8_t *s, size_t g, int *scale, int *minimum)
{
    if (g < 4) {
        *scale = s[g] & 63;
        *minimum = s[g + 4] & 63;
    } else {
        *scale = (s[g + 4] & 15) | (s[g - 4] >> 2 & 0x30);
        *minimum = s[g + 4] >> 4 | (s[g] >> 2 & 0x30);
    }
}

SHN_CLONES static void expand_q4_k(const uint8_t *p, size_t n, float *restrict out)
{
    for (size_t b = 0; b < n; b++, p += 144) {
        const float d = half_at(p), dmin = half_at(p + 2);
        for (size_t g = 0; g < 8; g++, out += 32) {
            int scale, minimum;
            k_scale(p + 4, g, &scale, &minimum);
            const float    ds = d * (float)scale, m = dmin * (float)minimum;
            const uint8_t *q = p + 16 + g / 2 * 32;         /* two groups share 32 bytes: low and high halves */
            const int      shift = g % 2 ? 4 : 0;
            for (size_t j = 0; j < 32; j++) out[j] = ds * (float)(q[j] >> shift & 15) - m;
        }
    }
}

SHN_CLONES static void expand_q5_k(const uint8_t *p, size_t n, float *restrict out)
{
    for (size_t b = 0; b < n; b++, p += 176) {
        const float d = half_at(p), dmin = half_at(p + 2);
        for (size_t g = 0; g < 8; g++, out += 32) {
            int scale, minimum;
            k_scale(p + 4, g, &scale, &minimum);
            const float    ds = d * (float)scale, m = dmin * (float)minimum;
            const uint8_t *fifth = p + 16, *q = p + 48 + g / 2 * 32;
            const int      shift = g % 2 ? 4 : 0, bit = (int)g;
            for (size_t j = 0; j < 32; j++) out[j] = ds * (float)((q[j] >> shift & 15) | (fifth[j] >> bit & 1) << 4) - m;
        }
    }
}

SHN_CLONES static void expand_q6_k(const uint8_t *p, size_t n, float *restrict out)
{
    for (size_t b = 0; b < n; b++, p += 210) {
        const float d = half_at(p + 208);
        for (size_t g = 0; g < 8; g++, out += 32) {         /* 32 values: two scales of 16 */
            const size_t   half = g / 4, quarter = g % 4;   /* 128 values share 64 low and 32 high bytes */
            const uint8_t *low = p + half * 64 + quarter % 2 * 32, *high = p + 128 + half * 32;
            const int      low_shift = quarter < 2 ? 0 : 4, high_shift = 2 * (int)quarter;
            const float    ds[2] = { d * (float)(int8_t)p[192 + 2 * g], d * (float)(int8_t)p[193 + 2 * g] };
            for (size_t j = 0; j < 16; j++)
                out[j] = ds[0] * (float)(((low[j] >> low_shift & 15) | (high[j] >> high_shift & 3) << 4) - 32);
            for (size_t j = 16; j < 32; j++)
                out[j] = ds[1] * (float)(((low[j] >> low_shift & 15) | (high[j] >> high_shift & 3) << 4) - 32);
        }
    }
}

/** n_values is a whole number of blocks. */
static void expand(shn_w_type type, const uint8_t *p, size_t n_values, float *out)
{
    switch (type) {
    case SHN_W_F32:  memcpy(out, p, n_values * sizeof *out); break;     /* little-endian hosts only */
    case SHN_W_F16:  expand_f16(p, n_values, out); break;
    case SHN_W_BF16: expand_bf16(p, n_values, out); break;
    case SHN_W_Q8_0: expand_q8_0(p, n_values / 32, out); break;
    case SHN_W_Q4_0: expand_q4_0(p, n_values / 32, out); break;
    case SHN_W_Q4_1: expand_q4_1(p, n_values / 32, out); break;
    case SHN_W_Q5_0: expand_q5_0(p, n_values / 32, out); break;
    case SHN_W_Q5_1: expand_q5_1(p, n_values / 32, out); break;
    case SHN_W_Q4_K: expand_q4_k(p, n_values / 256, out); break;
    case SHN_W_Q5_K: expand_q5_k(p, n_values / 256, out); break;
    case SHN_W_Q6_K: expand_q6_k(p, n_values / 256, out); break;
    }
}

void shn_dequant_rows(const shn_tensor_view *t, size_t first, size_t n_rows, float *out)
{
    assert(first <= t->rows && n_rows <= t->rows - first);
    if (n_rows == 0 || t->cols == 0) return;
    /* rows lie without gaps and end with a block, so many rows are one run */
    expand(t->type, t->data + first * t->row_bytes, n_rows * t->cols, out);
}
