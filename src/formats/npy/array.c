#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "formats/npy/npy.h"

static const char *const WHERE = "npy.header";

/** A cursor over the dict literal. */
typedef struct literal { const char *at, *end; } literal;

static void blanks(literal *l)
{
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\t' || *l->at == '\n' || *l->at == '\r')) l->at++;
}

static int take(literal *l, char c)
{
    blanks(l);
    if (l->at == l->end || *l->at != c) return 0;
    l->at++;
    return 1;
}

/** 'text' or "text", without escapes. */
static int take_string(literal *l, char *out, size_t size)
{
    blanks(l);
    if (l->at == l->end || (*l->at != '\'' && *l->at != '"')) return 0;
    const char  quote = *l->at++;
    const char *stop = memchr(l->at, quote, (size_t)(l->end - l->at));
    if (!stop || (size_t)(stop - l->at) >= size || memchr(l->at, '\\', (size_t)(stop - l->at))) return 0;
    memcpy(out, l->at, (size_t)(stop - l->at));
    out[stop - l->at] = '\0';
    l->at = stop + 1;
    return 1;
}

static int take_word(literal *l, const char *word)
{
    const size_t n = strlen(word);
    blanks(l);
    if ((size_t)(l->end - l->at) < n || memcmp(l->at, word, n) != 0) return 0;
    l->at += n;
    return 1;
}

/** "(3, 4)" or "(5,)"; extents may end in L, as Python 2 wrote them. */
static int take_shape(literal *l, npy_array *a)
{
    if (!take(l, '(')) return 0;
    for (a->rank = 0; !take(l, ')'); a->rank++) {
        size_t v = 0;
        blanks(l);
        if (a->rank == 8 || l->at == l->end || *l->at < '0' || *l->at > '9') return 0;
        for (; l->at < l->end && *l->at >= '0' && *l->at <= '9'; l->at++)
            if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (size_t)(*l->at - '0'), &v)) return 0;
        if (l->at < l->end && *l->at == 'L') l->at++;
        if (a->rank < 3) a->shape[a->rank] = v;
        if (!take(l, ',')) {
            a->rank++;
            return take(l, ')');
        }
    }
    return 1;
}

static shn_status take_descr(const char *descr, npy_array *a, shn_error *err)
{
    static const struct { const char *name; char kind; int bytes; } types[] = { { "f4", 'f', 4 }, { "f8", 'f', 8 }, { "i2", 'i', 2 }, { "i4", 'i', 4 } };
    for (size_t i = 0; i < sizeof types / sizeof *types && (*descr == '<' || *descr == '>'); i++)
        if (strcmp(descr + 1, types[i].name) == 0) {
            a->kind = types[i].kind;
            a->item_bytes = types[i].bytes;
            a->big_endian = *descr == '>';
            return SHN_OK;
        }
    return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, WHERE, "numbers of type '%s'; float32, float64, int16 and int32 are read", descr);
}

static shn_status parse_dict(literal l, npy_array *a, shn_error *err)
{
    char key[32], descr[32];
    int  has_descr = 0, has_order = 0, has_shape = 0;
    if (!take(&l, '{')) goto bad;
    while (!take(&l, '}')) {
        if (!take_string(&l, key, sizeof key) || !take(&l, ':')) goto bad;
        if (strcmp(key, "descr") == 0) {
            blanks(&l);
            if (l.at < l.end && *l.at == '[')
                return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, WHERE, "a structured array; save one array of numbers");
            if (!take_string(&l, descr, sizeof descr)) goto bad;
            const shn_status st = take_descr(descr, a, err);
            if (st != SHN_OK) return st;
            has_descr = 1;
        } else if (strcmp(key, "fortran_order") == 0) {
            a->fortran = take_word(&l, "True");
            if (!a->fortran && !take_word(&l, "False")) goto bad;
            has_order = 1;
        } else if (strcmp(key, "shape") == 0) {
            if (!take_shape(&l, a)) goto bad;
            has_shape = 1;
        } else goto bad;
        if (!take(&l, ',')) {
            if (!take(&l, '}')) goto bad;
            break;
        }
    }
    if (has_descr && has_order && has_shape) return SHN_OK;
bad:
    return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, WHERE, "the header is no dict of descr, fortran_order and shape");
}

shn_status npy_array_parse(const uint8_t *bytes, size_t n_bytes, npy_array *a, shn_error *err)
{
    memset(a, 0, sizeof *a);
    if (n_bytes < 10) return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, WHERE, "%zu bytes, a header has at least 10", n_bytes);
    const int    major = bytes[6];
    const size_t prefix = major == 1 ? 10 : 12;
    if (major < 1 || major > 3) return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, WHERE, "version %d.%d; 1 to 3 are known", major, bytes[7]);
    if (n_bytes < prefix) return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, WHERE, "%zu bytes, a header has at least %zu", n_bytes, prefix);
    const size_t length = major == 1 ? read_u16le(bytes + 8) : read_u32le(bytes + 8);
    if (length > SHN_NPY_HEADER_MAX) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, WHERE, "a header of %zu bytes, at most %zu", length, SHN_NPY_HEADER_MAX);
    if (n_bytes - prefix < length) return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, WHERE, "a header of %zu bytes, %zu are there", length, n_bytes - prefix);
    const shn_status st = parse_dict((literal){ (const char *)bytes + prefix, (const char *)bytes + prefix + length }, a, err);
    if (st != SHN_OK) return st;
    if (a->rank != 2 && a->rank != 3)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, WHERE, "%zu axes; leads and samples are two, with records first three", a->rank);
    size_t need = (size_t)a->item_bytes;
    for (size_t d = 0; d < a->rank; d++)
        if (__builtin_mul_overflow(need, a->shape[d], &need)) return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, WHERE, "the shape is larger than memory can be");
    a->data = prefix + length;
    if (n_bytes - a->data < need)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, WHERE, "the shape needs %zu bytes of numbers, %zu are there", need, n_bytes - a->data);
    if (need == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_NO_ECG, WHERE, "an array without numbers");
    a->extra_bytes = n_bytes - a->data - need;
    return SHN_OK;
}

double npy_array_at(const npy_array *a, const uint8_t *data, size_t i)
{
    const uint8_t *p = data + i * (size_t)a->item_bytes;
    if (a->item_bytes == 2) return a->big_endian ? read_i16be(p) : read_i16le(p);
    if (a->item_bytes == 4) {
        const uint32_t u = a->big_endian ? read_u32be(p) : read_u32le(p);
        float          f;
        memcpy(&f, &u, sizeof f);
        return a->kind == 'i' ? (double)(int32_t)u : (double)f;
    }
    const uint64_t u = a->big_endian ? (uint64_t)read_u32be(p) << 32 | read_u32be(p + 4) : read_u64le(p);
    double         d;
    memcpy(&d, &u, sizeof d);
    return d;
}
