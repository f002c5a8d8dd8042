/** A multiplex group: what its attributes promise is proven before a sample is looked at; samples are decoded channel by channel. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "formats/dicom/dicom.h"

static shn_status get_number(const dcm_set *item, uint32_t tag, int decimal, double *out, shn_error *err)
{
    dcm_element e;
    const shn_status st = dcm_find(item, tag, &e, err);
    if (st == SHN_OK) *out = decimal ? dcm_decimal(&e) : dcm_whole(item, &e);
    return st;
}

static shn_status get_words(const dcm_set *item, uint32_t tag, char *out, size_t size, shn_error *err)
{
    dcm_element e;
    *out = '\0';
    const shn_status st = dcm_find(item, tag, &e, err);
    if (st == SHN_OK && e.value) dcm_ascii(&e, out, size);
    for (char *p = out; *p; p++)
        if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 'a' + 'A');
    return st;
}

/** Interpretation and bits allocated belong together. */
static shn_status take_coding(dcm_group *g, double bits, const char *how, shn_error *err)
{
    static const struct { const char *name; int bits, is_signed; } known[] = { { "SB", 8, 1 }, { "UB", 8, 0 }, { "SS", 16, 1 }, { "US", 16, 0 }, { "SL", 32, 1 }, { "UL", 32, 0 } };
    if (strcmp(how, "MB") == 0 || strcmp(how, "AB") == 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "dicom.group", "multiplex group %zu: samples companded as %s-law are voice, not ECG", g->index + 1, *how == 'M' ? "mu" : "A");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(how, known[i].name) == 0) {
            g->bits = known[i].bits;
            g->is_signed = known[i].is_signed;
            if (isnan(bits) || bits == g->bits) return SHN_OK;
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "dicom.group", "multiplex group %zu: samples of type %s in %g bits", g->index + 1, how, bits);
        }
    return shn_fail(err, *how ? SHN_UNSUPPORTED : SHN_FORMAT, *how ? SHN_REASON_UNSUPPORTED : SHN_REASON_BAD_HEADER, "dicom.group",
                    "multiplex group %zu: sample interpretation (5400,1006) is '%.8s'; SB UB SS US SL UL are read", g->index + 1, how);
}

static uint32_t raw_at(const dcm_group *g, const uint8_t *p)
{
    if (g->bits == 8) return *p;
    if (g->bits == 16) return g->item.big ? read_u16be(p) : read_u16le(p);
    return g->item.big ? read_u32be(p) : read_u32le(p);
}

/**
 * A padding value of 0 among signed samples is what writers put in for "none": zero is where every ECG crosses its baseline (a real file says so and
 * its SCP twin has those samples). It is not taken for a gap, and told.
 */
static shn_status take_padding(dcm_group *g, shn_error *err)
{
    dcm_element e;
    const shn_status st = dcm_find(&g->item, DCM_PADDING, &e, err);
    if (st != SHN_OK || !e.value || e.n < (size_t)g->bits / 8) return st;
    g->padding = raw_at(g, e.value + (g->bits == 8 && e.n > 1 && g->item.big && strcmp(e.vr, "OW") == 0 ? 1 : 0));
    g->has_padding = g->padding != 0 || !g->is_signed;
    g->zero_padding = !g->has_padding;
    return SHN_OK;
}

static shn_status take_samples(dcm_group *g, double n_channels, double n_samples, shn_error *err)
{
    dcm_element e;
    if (!(n_channels >= 1) || !(n_samples >= 1))
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "dicom.group", "multiplex group %zu: no number of channels (003A,0005) or samples (003A,0010)", g->index + 1);
    if (n_channels > SHN_LEADS_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "dicom.group", "multiplex group %zu: %.0f channels, at most %d", g->index + 1, n_channels, SHN_LEADS_MAX);
    if (!(g->fs_hz > 0) || g->fs_hz > 1e6)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "dicom.group", "multiplex group %zu: sampling frequency (003A,001A) %g Hz", g->index + 1, g->fs_hz);
    const shn_status st = dcm_find(&g->item, DCM_DATA, &e, err);
    if (st != SHN_OK) return st;
    g->n_channels = (size_t)n_channels;
    g->n_samples = (size_t)n_samples;
    const size_t frame = g->n_channels * ((size_t)g->bits / 8);         /* at most 256 * 4 */
    if (!e.value || g->n_samples > e.n / frame)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "dicom.group", "multiplex group %zu: %zu samples of %zu channels in %d bits are announced, %zu bytes are there; copy the file again",
                        g->index + 1, g->n_samples, g->n_channels, g->bits, e.n);
    g->samples = e.value;
    g->swapped = g->bits == 8 && g->item.big && strcmp(e.vr, "OW") == 0;
    if (g->swapped && e.n % 2)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "dicom.group", "multiplex group %zu: words in an odd number of bytes", g->index + 1);
    return SHN_OK;
}

shn_status dcm_group_read(const dcm_set *item, size_t index, dcm_group *g, shn_error *err)
{
    double bits = NAN, n_channels = NAN, n_samples = NAN;
    char   words[32];
    *g = (dcm_group){ .item = *item, .index = index };
    shn_status st = get_number(item, DCM_N_CHANNELS, 0, &n_channels, err);
    if (st == SHN_OK) st = get_number(item, DCM_N_SAMPLES, 0, &n_samples, err);
    if (st == SHN_OK) st = get_number(item, DCM_FREQUENCY, 1, &g->fs_hz, err);
    if (st == SHN_OK) st = get_number(item, DCM_TIME_OFFSET, 1, &g->offset_ms, err);
    if (st == SHN_OK) st = get_number(item, DCM_BITS_ALLOCATED, 0, &bits, err);
    if (st == SHN_OK) st = get_words(item, DCM_ORIGINALITY, words, sizeof words, err);
    g->derived = strcmp(words, "DERIVED") == 0;
    if (isnan(g->offset_ms)) g->offset_ms = 0;  /* told only where the group begins later than the acquisition */
    if (st == SHN_OK) st = get_words(item, DCM_GROUP_LABEL, g->label, sizeof g->label, err);
    g->averaged = strstr(g->label, "MEDIAN") || strstr(g->label, "AVERAGE") || strstr(g->label, "TEMPLATE") || strstr(g->label, "REPRESENTATIVE");
    if (st == SHN_OK) st = get_words(item, DCM_INTERPRETATION, words, sizeof words, err);
    if (st == SHN_OK) st = take_coding(g, bits, words, err);
    if (st == SHN_OK) st = take_samples(g, n_channels, n_samples, err);
    if (st == SHN_OK) st = take_padding(g, err);
    return st;
}

/**
 * The number that `stored` bits of `bits` hold. Writers fill the bits above with the sign, as the standard has it, or with zeros; *above tells
 * which was seen (1 sign bits set, 2 zeros under a negative number). What fits neither gives 0.
 */
static int narrow(uint32_t raw, int bits, int stored, int is_signed, double *out, int *above)
{
    const uint32_t full = bits == 32 ? UINT32_MAX : (1u << bits) - 1, mask = (1u << stored) - 1, high = raw & (full & ~mask), sign = raw >> (stored - 1) & 1;
    if (!is_signed) {
        *out = raw;
        return high == 0;
    }
    if (high != 0 && (high != (full & ~mask) || !sign)) return 0;
    if (sign) *above |= high ? 1 : 2;
    *out = sign ? (double)(raw & mask) - (double)mask - 1 : (double)raw;
    return *above != 3;
}

static float scaled(double x, const dcm_channel *how) { return (float)(x * how->scale + how->offset); }

static shn_status decode_narrow(const dcm_group *g, const dcm_channel *how, const uint8_t *p, size_t stride, size_t first, size_t n, float *out, size_t *n_gaps, shn_error *err)
{
    int above = 0;
    for (size_t t = 0; t < n; t++, p += stride) {
        const uint32_t raw = raw_at(g, p);
        double         x;
        if (g->has_padding && raw == g->padding) {
            out[t] = NAN;
            ++*n_gaps;
            continue;
        }
        if (!narrow(raw, g->bits, how->bits_stored, g->is_signed, &x, &above))
            return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "dicom.samples", "channel '%s', sample %zu: %u does not fit the %d bits that are said to be stored (003A,021A)", how->name,
                            first + t, (unsigned)raw, how->bits_stored);
        out[t] = scaled(x, how);
    }
    return SHN_OK;
}

shn_status dcm_group_decode(const dcm_group *g, size_t channel, const dcm_channel *how, size_t first, size_t n, float *out, size_t *n_gaps, shn_error *err)
{
    const size_t   width = (size_t)g->bits / 8, stride = g->n_channels * width;
    const uint8_t *p = g->samples + first * stride + channel * width;
    *n_gaps = 0;
    if (how->bits_stored < g->bits && !g->swapped) return decode_narrow(g, how, p, stride, first, n, out, n_gaps, err);
    if (g->bits == 16 && g->is_signed && !g->item.big) {        /* nearly all files */
        const int32_t padding = g->has_padding ? (int16_t)(uint16_t)g->padding : INT32_MAX;
        for (size_t t = 0; t < n; t++, p += stride) {
            const int32_t x = read_i16le(p);
            out[t] = x == padding ? NAN : scaled(x, how);
            *n_gaps += x == padding;
        }
        return SHN_OK;
    }
    for (size_t t = 0; t < n; t++, p += stride) {
        const uint32_t raw = g->swapped ? g->samples[(size_t)(p - g->samples) ^ 1] : raw_at(g, p);
        const double   x = !g->is_signed ? (double)raw : g->bits == 8 ? (int8_t)raw : g->bits == 16 ? (int16_t)raw : (int32_t)raw;
        const int      gap = g->has_padding && raw == g->padding;
        out[t] = gap ? NAN : scaled(x, how);
        *n_gaps += (size_t)gap;
    }
    return SHN_OK;
}
